package publishtext

import (
	"github.com/kist-tools/kist/cmd/kist/internal/term"
)

// Page is what publish page did.
type Page struct {
	DryRun  bool   `json:"dry_run,omitempty"`
	Channel string `json:"channel"`
	File    string `json:"file"`   // with the directory as it was named
	URL     string `json:"url"`    // at which the page says that the channel is
	Serial  uint64 `json:"serial"` // of the edition that the page shows
	Bytes   int64  `json:"bytes"`  // size of the page
}

func (r Page) Render(p *term.Page) {
	p.Line("%s %s: channel %s, serial %d, %s", would(r.DryRun, "write", "wrote"), r.File, r.Channel, r.Serial, term.ByteSize(r.Bytes))
	p.Field("url", r.URL)
}
