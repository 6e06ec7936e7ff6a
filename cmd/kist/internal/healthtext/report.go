package healthtext

import (
	"strings"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/health"
)

// Report is what doctor found.
type Report struct{ health.Report }

// reportWidth is how many columns a report takes, except for commands and paths, which are
// never broken.
const reportWidth = 60

// Render writes r as text.
func (r Report) Render(p *term.Page) {
	for n, f := range r.Findings {
		if n > 0 {
			p.Line("")
		}
		paragraph(p, "["+string(f.Severity)+"] ", "  ", f.What)
		paragraph(p, "  ", "  ", f.Why)
		if f.Fix != "" {
			p.Line("  fix: %s", f.Fix)
		}
	}
	if len(r.Findings) > 0 && len(r.Facts) > 0 {
		p.Line("")
	}
	last := ""
	for _, f := range r.Facts {
		name := f.Check
		if name == last {
			name = ""
		}
		last = f.Check
		paragraph(p, name+strings.Repeat(" ", max(factIndent-len(name), 1)), strings.Repeat(" ", factIndent), f.Text)
	}
}

// factIndent is the width of the column of the names of checks.
const factIndent = 13

// paragraph writes text in lines of at most reportWidth columns, broken between words. The
// first line begins with first, and the others with rest.
func paragraph(p *term.Page, first, rest, text string) {
	line, empty := first, true
	for _, word := range strings.Fields(text) {
		if !empty && term.Width(term.Escape(line))+1+term.Width(term.Escape(word)) > reportWidth {
			p.Line("%s", line)
			line, empty = rest, true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	p.Line("%s", line)
}

// Summary says how many findings r has, such as "1 problem and 2 warnings"; "" for none.
func (r Report) Summary() string {
	var parts []string
	for _, s := range []health.Severity{health.Problem, health.Warning} {
		if n := r.Count(s); n > 0 {
			parts = append(parts, term.Count(n, string(s)))
		}
	}
	return strings.Join(parts, " and ")
}
