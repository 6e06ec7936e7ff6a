package publishtext

import (
	"strings"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/manifests/publish"
)

// Withdrawn is what publish withdraw did.
type Withdrawn struct {
	DryRun bool `json:"dry_run,omitempty"`
	publish.Withdrawn
}

func (r Withdrawn) Render(p *term.Page) {
	p.Line("%s %s@%s, once it is signed", would(r.DryRun, "withdraw", "withdrew"), r.Tool, r.Versions)
	p.Field("releases", orDash(r.Releases))
	p.Field("reason", r.Reason)
	if r.ReplacedBy != "" {
		p.Field("replaced by", r.ReplacedBy)
	}
	if len(r.Labels) > 0 {
		p.Field("note", "the withdrawn releases still have the labels "+strings.Join(r.Labels, " ")+"; kist publish edit moves labels")
	}
}

// Reinstated is what publish withdraw --undo did.
type Reinstated struct {
	DryRun   bool   `json:"dry_run,omitempty"`
	Tool     string `json:"tool"`
	Versions string `json:"versions"`
}

func (r Reinstated) Render(p *term.Page) {
	p.Line("%s %s@%s, once that is signed", would(r.DryRun, "reinstate", "reinstated"), r.Tool, r.Versions)
}

// withdrawnText lists withdrawals.
func withdrawnText(p *term.Page, list []publish.ListedWithdrawal) {
	if len(list) == 0 {
		return
	}
	rows := [][]string{{"WITHDRAWN", "STATE", "REPLACED BY", "REASON"}}
	for _, w := range list {
		by := w.ReplacedBy
		if by == "" {
			by = "-"
		}
		rows = append(rows, []string{w.Tool + "@" + w.Versions, w.State, by, w.Reason})
	}
	p.Table(rows)
}
