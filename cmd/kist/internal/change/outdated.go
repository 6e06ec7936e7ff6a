package change

import (
	"cmp"
	"context"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/manifests/trust"
)

// An OutdatedResult lists the releases that update would replace.
type OutdatedResult struct {
	Tools  []Replaced      `json:"tools"`
	Failed []FailedChannel `json:"failed,omitempty"` // channels that were left out
}

// Render writes r as text.
func (r OutdatedResult) Render(p *term.Page) {
	if len(r.Tools) == 0 {
		return
	}
	rows := [][]string{{"TOOL", "INSTALLED", "NEWEST", "FOLLOWS", "CHANNEL"}}
	for _, t := range r.Tools {
		rows = append(rows, []string{t.Tool, t.Installed, t.Newest, cmp.Or(t.Requested, t.Label), t.Channel})
	}
	p.Table(rows)
}

// Outdated compares the installed releases that refs mean, or all, with what their channels
// offer. If channels were left out, it returns a result and an error. After any other error
// the result is nil.
func (m *Maker) Outdated(ctx context.Context, refs []trust.Ref) (*OutdatedResult, error) {
	v := m.survey()
	answers, err := v.Ask(ctx, refs)
	if err != nil {
		return nil, err
	}
	r := &OutdatedResult{Tools: []Replaced{}, Failed: m.failed(v)}
	var lost []*install.MissingError
	for _, answer := range answers {
		if answer.Missing != nil {
			lost = append(lost, answer.Missing)
		}
		if answer.IsNewer() {
			r.Tools = append(r.Tools, replacing(answer))
		}
	}
	switch {
	case len(r.Tools) > 0:
		m.Printer.Say("kist update would update %s", term.Count(len(r.Tools), "toolchain"))
	case len(r.Failed)+len(lost) == 0:
		m.Printer.Say("everything is up to date")
	}
	return r, m.orMissing(m.end(v, r.Failed), lost)
}
