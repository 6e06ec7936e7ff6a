package healthtext_test

import (
	"strings"
	"testing"

	"github.com/kist-tools/kist/cmd/kist/internal/healthtext"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/health"
)

// A report takes at most 60 columns, except for commands and for words that are longer. It
// holds every word of each finding, in order, and control characters escaped.
func TestReportFitsIntoNarrowTerminals(t *testing.T) {
	long := "/home/ann/" + strings.Repeat("x", 90)
	what := strings.Repeat("some words about it ", 20) + long + " \x1b[31m and the rest"
	fix := "echo " + strings.Repeat("y ", 60)
	r := healthtext.Report{Report: health.Report{
		Findings: []health.Finding{
			{Check: "a", Severity: health.Problem, What: what, Why: what, Fix: fix},
			{Check: "b", Severity: health.Warning, What: "w", Why: "y"},
		},
		Facts: []health.Fact{{Check: "certificates", Text: what}, {Check: "sandbox", Text: "one"}, {Check: "sandbox", Text: "two"}},
	}}
	var p term.Page
	r.Render(&p)
	for line := range strings.Lines(p.String()) {
		line = strings.TrimSuffix(line, "\n")
		if term.Width(line) > 60 && !strings.HasPrefix(line, "  fix: ") && strings.TrimSpace(line) != long {
			t.Errorf("%d columns: %q", term.Width(line), line)
		}
	}
	words := strings.Join(strings.Fields(p.String()), " ")
	if want := strings.Join(strings.Fields(term.Escape(what)), " "); strings.Count(words, want) != 3 || strings.Contains(p.String(), "\x1b") {
		t.Errorf("not all is there: %s", p.String())
	}
	for _, want := range []string{"[problem] some words", "\n[warning] w\n  y\n", "  fix: " + fix + "\n", "\nsandbox      one\n             two\n"} {
		if !strings.Contains(p.String(), want) {
			t.Errorf("%q is not in\n%s", want, p.String())
		}
	}
	if got := r.Summary(); got != "1 problem and 1 warning" {
		t.Error(got)
	}
	if got := (healthtext.Report{}).Summary(); got != "" {
		t.Error(got)
	}
}

// Thousands of differences are counted, and a few listed.
func TestRepairedListsFewDifferences(t *testing.T) {
	drift := make([]install.Drift, 5000)
	var p term.Page
	healthtext.Repaired{Remade: []healthtext.Remade{{Release: "acme/x@1", Drift: drift}}}.Render(&p)
	if n := strings.Count(p.String(), "\n"); n != 22 || !strings.Contains(p.String(), "5,000 differences") && !strings.Contains(p.String(), "5000 differences") {
		t.Errorf("%d lines: %s", n, p.String())
	}
}
