package change

import (
	"context"
	"slices"
	"strings"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/toolset"
)

// A SyncResult is what sync did, or with --dry-run would do.
type SyncResult struct {
	Source   string     `json:"source"` // the file or the set that names the tools
	Tools    int        `json:"tools"`  // how many it names
	UpToDate bool       `json:"up_to_date"`
	Prunes   []Occupied `json:"prunes,omitempty"` // what --prune removes
	Result
}

// An Occupied is an installed release and the size of its files.
type Occupied struct {
	Release string `json:"release"` // channel/tool@version
	Bytes   int64  `json:"bytes"`
}

// Render writes r as text.
func (r SyncResult) Render(p *term.Page) {
	if r.UpToDate {
		p.Line("%s: nothing to do, %s installed", r.Source, toolsAre(r.Tools))
		return
	}
	r.Already = nil // a long list would hide what changed
	r.Result.Render(p)
}

func toolsAre(n int) string {
	if n == 1 {
		return "its tool is"
	}
	return "its " + term.Count(n, "tool") + " are"
}

// Sync makes this machine match wants, which source names, and with prune removes what they
// do not name. It shows what it will remove, and asks confirm, before it does anything. The
// result is nil if an error kept it from doing anything; an error may come with work that is
// done.
func (m *Maker) Sync(ctx context.Context, source string, wants []toolset.Want, prune bool, confirm func(question string) error) (*SyncResult, error) {
	c, already, err := m.Syncing(ctx, wants, prune)
	if err != nil {
		return nil, err
	}
	c.Keep = m.Keep
	p, err := m.Plan(c)
	if err != nil {
		return nil, err
	}
	r := &SyncResult{Source: source, Tools: len(wants), UpToDate: p.Empty()}
	if err := m.confirmPrune(p, r, confirm); err != nil {
		return nil, err
	}
	done, err := m.Make(ctx, c, already, &r.Result)
	if !done {
		return nil, err
	}
	return r, err
}

// confirmPrune adds what p removes to r, shows it, and asks confirm unless this is a dry
// run. That includes releases to which only earlier generations refer that go as well.
func (m *Maker) confirmPrune(p plan.Plan, r *SyncResult, confirm func(question string) error) error {
	if len(p.Remove) == 0 {
		return nil
	}
	if err := m.MayChange(); err != nil {
		return err
	}
	total := int64(0)
	var heads []record.Head
	for _, id := range m.State.After(p).Unreferenced() {
		have := m.State.Receipts[id]
		size, err := m.Occupied(id)
		if err != nil && slices.Contains(p.Remove, id) {
			return err
		}
		heads, total = append(heads, have), total+size.Bytes
		r.Prunes = append(r.Prunes, Occupied{have.Ref(), size.Bytes})
	}
	m.Printer.Say("--prune removes what %s does not name:", r.Source)
	for _, one := range r.Prunes {
		m.Printer.Say("  %s, %s", one.Release, term.ByteSize(one.Bytes))
	}
	if m.DryRun {
		return nil
	}
	names := strings.Join(toolset.Refs(heads), ", ")
	return confirm(term.Sprintf("Remove %s (%s)?", names, term.ByteSize(total)))
}
