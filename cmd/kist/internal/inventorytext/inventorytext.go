// Package inventorytext describes what is installed for people: the toolchains of one
// machine or of many, and what differs between two bills of materials. It finds out nothing
// itself.
package inventorytext

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/bill"
	"github.com/kist-tools/kist/install/inventory"
	"github.com/kist-tools/kist/verify"
)

// A Document is a result that is a JSON document of its own.
type Document struct{ Text []byte }

// MarshalJSON returns the document.
func (d Document) MarshalJSON() ([]byte, error) { return d.Text, nil }

func (d Document) Render(p *term.Page) {
	p.JSON(d.Text)
	if !strings.HasSuffix(string(d.Text), "\n") {
		p.Line("")
	}
}

// Differences are what differs between two bills of materials.
type Differences struct {
	Changes []bill.Change `json:"changes"`
}

func (d Differences) Render(p *term.Page) {
	for _, c := range d.Changes {
		what := c.Toolchain
		if c.Part != "" {
			what += " " + c.Part
		}
		switch {
		case c.Change == "added":
			p.Line("added    %s %s", what, c.To)
		case c.Change == "removed":
			p.Line("removed  %s %s", what, c.From)
		case c.From == c.To:
			p.Line("changed  %s %s: same version, other %s", what, c.From, term.Enumerate(c.What, true))
		default:
			note := ""
			if slices.Contains(c.What, "signers") {
				note = ", other signers"
			}
			p.Line("changed  %s %s -> %s%s", what, c.From, c.To, note)
		}
	}
}

// A Machine is what one machine has installed.
type Machine struct{ inventory.Machine }

func (m Machine) Render(p *term.Page) {
	if len(m.Toolchains) == 0 {
		return
	}
	rows := [][]string{{"TOOL", "VERSION", "CHANNEL", "PLATFORM", "PROVED BY"}}
	for _, t := range m.Toolchains {
		rows = append(rows, []string{t.Tool, t.Version, t.Channel, t.Platform.String(), provedBy(t.Proof, t.Signers)})
	}
	p.Table(rows)
}

// A Fleet is what many machines have installed.
type Fleet struct{ inventory.Fleet }

func (f Fleet) Render(p *term.Page) {
	rows := [][]string{{"TOOL", "VERSION", "CHANNEL", "PLATFORM", "PROVED BY", "MACHINES"}}
	for _, t := range f.Toolchains {
		machines := fmt.Sprintf("%d: %s", len(t.Machines), term.Enumerate(t.Machines, false))
		if t.Differ {
			machines += " (their files differ)"
		}
		rows = append(rows, []string{t.Tool, t.Version, t.Channel, t.Platform.String(), provedBy(t.Proof, t.Signers), machines})
	}
	if len(rows) > 1 {
		p.Table(rows)
	}
	p.Line("%s on %s", term.Count(len(f.Toolchains), "release"), term.Count(len(f.Machines), "machine"))
}

// provedBy names the first key in full, and counts the others.
func provedBy(proof verify.Kind, signers []verify.Fingerprint) string {
	switch {
	case proof == verify.ByTree:
		return "checksum database"
	case len(signers) == 0:
		return "-"
	case len(signers) == 1:
		return string(signers[0])
	}
	return fmt.Sprintf("%s and %d more", signers[0], len(signers)-1)
}

// LeftOut says that a list was not counted.
func LeftOut(l inventory.LeftOut) string {
	text := fmt.Sprintf("%s is left out: %s is of the same machine, and not older", l.File, l.For)
	switch {
	case l.File == l.For:
		text = l.File + " is named twice"
	case l.Copied:
		text = fmt.Sprintf("%s is left out: it has the same receipts as %s; if they are two machines made from one image, give each a name (--name)", l.File, l.For)
	case l.Equal:
		text += "; both list the same"
	}
	return text
}
