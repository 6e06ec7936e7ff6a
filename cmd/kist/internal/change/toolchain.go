package change

import (
	"cmp"
	"slices"
	"time"

	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests"
)

// A Toolchain is one installed release, as list and other verbs show it.
type Toolchain struct {
	Tool       string    `json:"tool"`
	Version    string    `json:"version"`
	Channel    string    `json:"channel"`
	Default    bool      `json:"default"`
	Requested  string    `json:"requested,omitempty"` // the version or label it was requested by
	Labels     []string  `json:"labels,omitempty"`
	Components []string  `json:"components,omitempty"`
	Installed  time.Time `json:"installed"`
	Prefix     string    `json:"prefix"`
	Store      string    `json:"store,omitempty"` // the directory of the store that holds it; empty: the user's own
	// Missing is the path of the prefix, or of a command in it, if that does not exist.
	Missing string `json:"missing,omitempty"`
	// Refused says why the release would not be installed today: its publisher withdrew it,
	// or a policy file denies it.
	Refused string `json:"refused,omitempty"`
}

// Describe describes r, which is installed.
func Describe(s *toolset.Set, r record.Head) Toolchain {
	t := Toolchain{
		Tool: r.Tool, Version: r.Version, Channel: r.Channel, Default: s.IsDefault(r),
		Requested: r.Requested, Labels: r.Labels, Components: r.Components, Installed: r.Installed, Prefix: s.Prefix(r.ID),
	}
	if missing := s.Missing(r); missing != nil {
		t.Missing = missing.Path
	}
	if l := s.LayerOf(r.ID); l != nil {
		t.Store = l.Dir
	}
	return t
}

// WarnOfMissing warns that installed files are missing from the disk, and says how
// to restore them.
func WarnOfMissing(p *term.Printer, missing *install.MissingError) {
	text := missing.Error()
	if advice := failure.PutBack(missing); advice != "" {
		text += "; " + advice
	}
	p.Warn("%s", text)
}

// orMissing returns err or, if err is nil, the first of lost. It warns of those
// that it does not return.
func (m *Maker) orMissing(err error, lost []*install.MissingError) error {
	if err == nil && len(lost) > 0 {
		err, lost = lost[0], lost[1:]
	}
	for _, missing := range lost {
		WarnOfMissing(m.Printer, missing)
	}
	return err
}

// A Replaced is an installed release and the newer one that would replace it.
type Replaced struct {
	Tool      string `json:"tool"`
	Channel   string `json:"channel"`
	Installed string `json:"installed"` // its version
	Newest    string `json:"newest"`
	Requested string `json:"requested"` // version or label it was requested by; empty: a bare name
	// Label is the label of the channel that it follows; empty: none.
	Label string `json:"label"`
}

// replacing returns the installed release of answer and the newer one.
func replacing(answer toolset.Answer) Replaced {
	have, next := answer.Have, answer.Next
	t := Replaced{have.Tool, have.Channel, have.Version, next.Version, have.Requested, ""}
	if label := cmp.Or(have.Requested, manifests.Stable); slices.Contains(next.Labels, label) {
		t.Label = label
	}
	return t
}

// replacedBy returns the index of the first of updated that the release replaces, or -1.
func replacedBy(updated []Replaced, rel Release) int {
	return slices.IndexFunc(updated, func(t Replaced) bool {
		return t.Channel == rel.Channel && t.Tool == rel.Tool && t.Newest == rel.Version
	})
}
