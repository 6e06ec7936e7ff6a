package cli

import (
	"runtime"
	"runtime/debug"
	"time"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
)

// Build describes this build of kist, as the Go toolchain recorded it.
type Build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"` // commit that it was built from
	Go       string `json:"go"`
	Platform string `json:"platform"`

	Committed time.Time `json:"-"` // when Revision was made; zero if it is not known
}

// Render prints the version, and what it was built with and for.
func (r Build) Render(p *term.Page) {
	if r.Revision == "" {
		p.Line("kist %s (%s, %s)", r.Version, r.Go, r.Platform)
		return
	}
	p.Line("kist %s (commit %.12s, %s, %s)", r.Version, r.Revision, r.Go, r.Platform)
}

// ReadBuild returns what the Go toolchain recorded in this program.
func ReadBuild() Build {
	r := Build{Version: "devel", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return r
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		r.Version = v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			r.Revision = s.Value
		case "vcs.time":
			r.Committed, _ = time.Parse(time.RFC3339, s.Value)
		}
	}
	return r
}
