package main

import (
	"context"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
)

func (a *app) versionCommand() *cobra.Command {
	return a.command(verb{
		group: housekeeping, use: "version", short: "Print the version of kist",
		example: "kist version\nkist version --json",
		exits:   []int{0, 2},
		args:    exactly(0),
		run:     func(context.Context, []string) (result, error) { return kistVersion(), nil },
	})
}

// versionResult describes this build of kist, as the Go toolchain recorded it.
type versionResult struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func (r versionResult) Render(p *term.Page) { p.Line("kist %s (%s, %s)", r.Version, r.Go, r.Platform) }

func kistVersion() versionResult {
	r := versionResult{Version: "devel", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return r
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		r.Version = v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			r.Revision = s.Value
		}
	}
	return r
}
