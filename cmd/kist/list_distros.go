package main

import (
	"context"
	"slices"
	"strings"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/verify"
)

// everyDistro is the value of --distros given without names.
const everyDistro = "all"

// A distroQuestion holds the flags of list --distros.
type distroQuestion struct {
	names   []string
	minimum bool
}

type distrosResult struct {
	Tool    string                 `json:"tool"`
	Distros []trust.ShippedVersion `json:"distros"`
	Minimum string                 `json:"minimum,omitempty"`  // the lowest upstream version among them
	LeftOut []string               `json:"left_out,omitempty"` // could not be reached

	minimum bool
}

func (r distrosResult) Render(p *term.Page) {
	if r.minimum {
		p.Line("%s", r.Minimum)
		return
	}
	rows := [][]string{{"DISTRO", strings.ToUpper(r.Tool), "VERSION", "SUITE OF"}}
	for _, d := range r.Distros {
		if d.Version == "" {
			d.Version, d.Upstream = "-", "-"
		}
		rows = append(rows, []string{d.Distro, d.Upstream, d.Version, d.Signed})
	}
	p.Table(rows)
}

// listDistros lists the versions of a tool that distributions ship.
func (a *app) listDistros(ctx context.Context, s *toolset.Set, args []string, ask distroQuestion) (cli.Result, error) {
	if len(args) == 0 {
		return nil, failure.Usage("list --distros needs the name of a tool")
	}
	if len(ask.names) == 0 {
		return nil, failure.Usage("list --minimum requires --distros")
	}
	tool, err := trust.ParseRef(args[0])
	if err != nil || tool.Channel != "" || tool.Version != "" {
		return nil, failure.Usage("list --distros takes the bare name of a tool")
	}
	names := ask.names
	switch {
	case names[0] == everyDistro && len(args) == 2:
		names = strings.Split(args[1], ",")
	case len(args) == 2:
		return nil, failure.Usage("list: name the distributions once, after --distros")
	case names[0] == everyDistro:
		names = nil
	}
	list, leftOut, err := s.Desk.Shipped(ctx, tool.Name, names)
	if err != nil {
		return nil, err
	}
	r := distrosResult{tool.Name, list, trust.Lowest(list), leftOut, ask.minimum}
	if i := slices.IndexFunc(list, func(v trust.ShippedVersion) bool { return v.Version == "" }); i >= 0 && ask.minimum {
		return nil, &manifests.UnknownToolError{Channel: list[i].Distro, Tool: tool.Name}
	}
	if ask.minimum && r.Minimum == "" {
		return nil, verify.Errorf(manifests.ErrUnreachable, "no distribution could be reached for its version of %s", tool.Name)
	}
	return r, nil
}
