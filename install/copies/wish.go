package copies

import (
	"context"
	"slices"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/config"
	"github.com/kist-tools/kist/manifests/trust"
)

// A Wish is what a user asks to have copied. What is zero is as before, or the default.
type Wish struct {
	Tools     []trust.Ref // none: those of before
	Platforms []manifests.Platform
	Last      int
	// Components, Targets and Profile are those of package manifests, for each tool.
	Components, Targets []string
	Profile             string
	// Locked is what a project's lock names: it stands for all of the above. Check, if
	// not nil, refuses a release that is not what the lock names.
	Locked []config.Holding
	Check  func(manifests.Release) error
}

// A Wanted is a tool to copy. Its Ref names its channel.
type Wanted struct {
	Ref     trust.Ref
	Holding config.Holding
}

// Wanted returns what is to be copied: what wish says, and for the rest what held says,
// which was copied before.
func (c *Copier) Wanted(ctx context.Context, wish Wish, held []config.Holding) (wanted []Wanted, err error) {
	for _, h := range wish.Locked {
		ref, err := trust.ParseRef(h.Name)
		if err != nil {
			return nil, err
		}
		wanted = append(wanted, Wanted{ref, h})
	}
	if len(wanted) > 0 {
		return wanted, nil
	}
	tools := wish.Tools
	if len(tools) == 0 {
		for _, h := range held {
			ref, err := trust.ParseRef(h.Name)
			if err != nil {
				return nil, err
			}
			tools = append(tools, ref)
		}
	}
	for _, ref := range tools {
		if ref.Channel == "" {
			b, err := c.Desk.Pick(ctx, ref)
			if err != nil {
				return nil, err
			}
			ref.Channel = b.Name
		}
		h := config.Holding{Name: ref.String(), Last: 1, Platforms: []manifests.Platform{c.Desk.Platform}}
		if i := slices.IndexFunc(held, func(have config.Holding) bool { return have.Name == h.Name }); i >= 0 {
			h = held[i]
		}
		if len(wish.Platforms) > 0 {
			h.Platforms = wish.Platforms
		}
		if wish.Last > 0 {
			h.Last = wish.Last
		}
		if len(wish.Components) > 0 {
			h.Components = wish.Components
		}
		if len(wish.Targets) > 0 {
			h.Targets = wish.Targets
		}
		if wish.Profile != "" {
			h.Profile = wish.Profile
		}
		if !slices.ContainsFunc(wanted, func(have Wanted) bool { return have.Holding.Name == h.Name }) {
			wanted = append(wanted, Wanted{ref, h})
		}
	}
	return wanted, nil
}
