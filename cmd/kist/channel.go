package main

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/prooftext"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/trust"
)

func (a *app) channelCommand() *cobra.Command {
	return a.Family(cli.Trusting, "channel", "Manage channels and their keys", `A channel is a named origin of tools with its own trust: where its signed
manifest is, whose OpenPGP keys may sign it, how many must, and for which tools
it may speak.`,
		a.channelAddCommand(), a.channelListCommand(), a.channelShowCommand(),
		a.channelRefreshCommand(), a.channelSetURLCommand(), a.channelRemoveCommand())
}

// shownChannel is a channel as kist prints it.
type shownChannel struct{ trust.Description }

func (c shownChannel) Render(p *term.Page) { prooftext.WriteChannel(p, c.Description) }

type channelList struct {
	Channels []trust.Description `json:"channels"`

	verbose bool // print every detail of each
}

func (r channelList) Render(p *term.Page) {
	if r.verbose {
		for i, c := range r.Channels {
			if i > 0 {
				p.Line("")
			}
			shownChannel{c}.Render(p)
		}
		return
	}
	rows := [][]string{{"CHANNEL", "FORMAT", "TOOLS", "SIGNED BY", "MANIFEST"}}
	for _, c := range r.Channels {
		tools := strings.Join(c.Tools, " ")
		if tools == "" {
			tools = "(not built in)"
		}
		state := c.Problem
		if state == "" && c.Mark != nil {
			state = prooftext.Freshness(*c.Mark)
		}
		need := c.Threshold
		for _, o := range c.Origins {
			need = max(need, o.Threshold)
		}
		who := fmt.Sprintf("%d of %d keys", need, len(c.Keys))
		if len(c.Keys) == 1 {
			who = c.Keys[0].Primary.Spaced()
		}
		rows = append(rows, []string{c.Name, c.Format, tools, who, state})
	}
	p.Table(rows)
}

func (a *app) channelListCommand() *cobra.Command {
	return a.Command(cli.Verb{
		Use: "list", Aliases: []string{"ls"}, Short: "List every channel: yours and the built-in ones",
		Long: `Lists your channels and the built-in ones. With -v, prints each channel in full:
every key, whose it is, when it expires, and for a built-in channel where kist's copy
of the key is from.`,
		Example: "kist channel list\nkist channel list -v",
		Exits:   []int{0, 1, 2, 8, 9},
		Args:    cli.Exactly(0),
		Run: a.WithSession(func(ctx context.Context, s *toolset.Set, _ []string) (cli.Result, error) {
			list, err := s.Desk.DescribeAll()
			if err != nil {
				return nil, err
			}
			return channelList{list, a.Verbose}, nil
		}),
	})
}

func (a *app) channelShowCommand() *cobra.Command {
	return a.Command(cli.Verb{
		Use: "show NAME", Short: "Show whose keys a channel trusts, in full, and how fresh it is",
		Example:   "kist channel show go\nkist channel show acme --json",
		Exits:     []int{0, 1, 2, 3, 8, 9},
		ExitMeans: map[int]string{3: "no such channel"},
		Args:      cli.Exactly(1),
		Complete:  completion.First(a.Offers().Channels),
		Run: a.WithSession(func(ctx context.Context, s *toolset.Set, args []string) (cli.Result, error) {
			c, err := s.Desk.Describe(args[0])
			if err != nil {
				return nil, err
			}
			return shownChannel{c}, nil
		}),
	})
}

func (a *app) channelRemoveCommand() *cobra.Command {
	return a.Command(cli.Verb{
		Use: "remove NAME", Aliases: []string{"rm"}, Short: "Remove a channel; what it installed stays",
		Long: `Removes a channel's settings, its keys and the newest manifest seen. Toolchains
installed from it stay, and can be verified and uninstalled as before.`,
		Example:   "kist channel remove acme\nkist channel remove acme -n",
		Exits:     []int{0, 1, 2, 3, 7, 8, 9, 10},
		ExitMeans: map[int]string{3: "no such channel"},
		Args:      cli.Exactly(1),
		Complete:  completion.First(a.Offers().Added),
		Changes:   true,
		Run: a.WithSession(func(ctx context.Context, s *toolset.Set, args []string) (cli.Result, error) {
			return a.channelRemove(ctx, s, args[0])
		}),
	})
}

type channelRemoved struct {
	DryRun  bool     `json:"dry_run,omitempty"`
	Removed string   `json:"removed"`
	Stays   []string `json:"stays,omitempty"` // releases installed from it

	Kept []install.Drift `json:"kept,omitempty"`
}

func (r channelRemoved) Render(p *term.Page) {
	if r.DryRun {
		p.Line("would forget channel %s", r.Removed)
	} else {
		p.Line("forgot channel %s", r.Removed)
	}
	for _, ref := range r.Stays {
		p.Line("%s stays installed", ref)
	}
	did := "kept"
	if r.DryRun {
		did = "would keep"
	}
	for _, k := range r.Kept {
		p.Line("%s %s (%s)", did, k.Path, k.Reason)
	}
}

func (a *app) channelRemove(ctx context.Context, s *toolset.Set, name string) (cli.Result, error) {
	if trust.IsBuiltinChannel(name) {
		return nil, &trust.BuiltinError{Name: name}
	}
	r := channelRemoved{DryRun: a.Flags.DryRun, Removed: name}
	for _, have := range s.State.Installed() {
		if have.Channel == name {
			r.Stays = append(r.Stays, have.Ref())
		}
	}
	files, err := s.Desk.Remove(ctx, name)
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		r.Kept = append(r.Kept, install.Drift{Path: filepath.Join(a.Dirs.Config, "kist", filepath.FromSlash(file)), Reason: "not kist's"})
	}
	var left []install.Drift
	if a.Flags.DryRun {
		left, err = s.StoredMark(name)
	} else {
		left, err = s.DropMark(ctx, name)
	}
	r.Kept = append(r.Kept, left...)
	return r, cmp.Or(err, failure.Kept(r.Kept, a.Flags.DryRun))
}
