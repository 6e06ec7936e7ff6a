package main

import (
	"cmp"
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/trust"
)

func (a *app) searchCommand() *cobra.Command {
	return a.Command(cli.Verb{
		Group: cli.Toolchains, Use: "search [WORD]",
		Short: "List the tools that can be installed",
		Long: `Lists the tools of every channel: the name, the channel, the newest version if
kist has cached a list of them, and a description. With WORD, only those with
WORD in the name or the description. The network is not used; kist list
--available TOOL asks a channel for all of its versions.`,
		Example:   "kist search\nkist search compiler",
		Exits:     []int{0, 2, 3, 8, 9},
		ExitMeans: map[int]string{3: "no tool matches"},
		Args:      cli.Between(0, 1),
		Local:     true,
		Run: a.WithSession(func(ctx context.Context, s *toolset.Set, args []string) (cli.Result, error) {
			return a.search(ctx, s, strings.Join(args, ""))
		}),
	})
}

// searchResult is what channels offer, as known without network access.
type searchResult struct {
	Tools []trust.Offer `json:"tools"`
}

func (a *app) search(ctx context.Context, s *toolset.Set, word string) (cli.Result, error) {
	found, err := s.Desk.Search(ctx, word)
	if err != nil {
		return nil, err
	}
	r := searchResult{Tools: found}
	if len(r.Tools) == 0 {
		return nil, failure.NoTool(word)
	}
	return r, nil
}

// searchColumns is the width of the table, so that it fits on every terminal and
// page. A name, a channel or a version longer than its limit makes it wider.
const (
	searchColumns  = 79
	nameColumns    = 20
	versionColumns = 14
)

func (r searchResult) Render(p *term.Page) {
	rows := []trust.Offer{{Tool: "TOOL", Channel: "CHANNEL", Version: "NEWEST", About: "WHAT IT IS"}}
	rows = append(rows, r.Tools...)
	var tool, channel, version int
	for _, o := range rows {
		tool = max(tool, min(nameColumns, term.Width(term.Escape(o.Tool))))
		channel = max(channel, min(nameColumns, term.Width(term.Escape(o.Channel))))
		version = max(version, min(versionColumns, term.Width(term.Escape(o.Version))))
	}
	for _, o := range rows {
		head := term.Sprintf("%-*s  %-*s  %-*s  ", tool, o.Tool, channel, o.Channel, version, cmp.Or(o.Version, "-"))
		p.Line("%s", strings.TrimRight(head+term.Shorten(term.Escape(o.About), searchColumns-term.Width(head)), " "))
	}
}
