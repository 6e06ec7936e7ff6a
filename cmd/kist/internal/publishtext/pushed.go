package publishtext

import (
	"fmt"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/manifests/publish/push"
)

// Pushed is what publish push did.
type Pushed struct {
	DryRun bool   `json:"dry_run,omitempty"`
	To     string `json:"to"`
	push.Done
}

func (r Pushed) Render(p *term.Page) {
	if r.Unchanged {
		p.Line("channel %s, serial %d, is in %s already", r.Channel, r.Serial, r.To)
		return
	}
	p.Line("%s channel %s, serial %d, to %s", would(r.DryRun, "push", "pushed"), r.Channel, r.Serial, r.To)
	p.Line("%s %s, %s; %d were there already", would(r.DryRun, "send", "sent"), term.Count(r.Sent, "file"), term.ByteSize(r.Bytes), r.Present)
	if r.Elsewhere > 0 {
		p.Field("note", fmt.Sprintf("%s at other URLs, not sent", term.Count(r.Elsewhere, "artifact")))
	}
	if !r.DryRun {
		p.Field("digest", r.Digest)
	}
}
