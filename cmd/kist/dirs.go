package main

import (
	"context"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/manifests"
)

// dirsResult lists every directory kist uses.
type dirsResult struct {
	Dirs []namedDir `json:"dirs"`
}

type namedDir struct {
	Name string `json:"name"`
	Path string `json:"path"`
}

func (r dirsResult) Render(p *term.Page) {
	for _, d := range r.Dirs {
		p.Line("%s\t%s", d.Name, d.Path)
	}
}

func (a *app) dirsCommand() *cobra.Command {
	return a.Command(cli.Verb{
		Group: cli.Housekeeping, Use: "dirs", Short: "Print every directory kist uses",
		Long: `Prints one directory a line, its name and its path with a tab between: the five
base directories, then kist's own below them.`,
		Example: "kist dirs\nkist dirs | grep ^prefixes",
		Exits:   []int{0, 2, 9},
		Args:    cli.Exactly(0),
		Run: func(context.Context, []string) (cli.Result, error) {
			d := a.Dirs
			if d.Err != nil {
				return nil, d.Err
			}
			own := func(base string, below ...string) string {
				return filepath.Join(append([]string{base, "kist"}, below...)...)
			}
			return dirsResult{[]namedDir{
				{"data", d.Data}, {"state", d.State}, {"cache", d.Cache}, {"config", d.Config}, {"bin", d.Bin},
				{"prefixes", own(d.Data, "prefixes")},
				{"toolchains", own(d.Data, "toolchains")},
				{"generations", own(d.Data, "generations")},
				{"stage", own(d.Data, "stage")},
				{"receipts", own(d.State, "receipts")},
				{"marks", own(d.State, "marks")},
				{"blobs", own(d.Cache, "blobs")},
				{"partial", own(d.Cache, "partial")},
				{"documents", own(d.Cache, manifests.DocumentsDir)},
				{"settings", own(d.Config)},
				{"channels", own(d.Config, "channels")},
				{"keys", own(d.Config, "keys")},
			}}, nil
		},
	})
}
