package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/internal/tomldoc"
)

// HoldingsFile is the name of the file that says what the directory of a mirror holds.
//
//	format = 1
//	[[tool]]
//	name = "acme/hello@1"
//	platforms = ["linux/amd64/gnu"]
//	last = 2
const HoldingsFile = "mirror.toml"

// MaxHoldings is the largest accepted mirror.toml, in bytes.
const MaxHoldings = 256 << 10

// Ceilings on a Holding.
const (
	maxHoldings = 1000
	maxParts    = 256
	MaxLast     = 1000 // versions of one tool
)

// A Holding is a tool that a mirror holds, and which versions and parts of it.
type Holding struct {
	Name       string // [channel/]tool[@version], as it was asked for
	Platforms  []manifests.Platform
	Last       int // how many of the newest versions, at least 1
	Components []string
	Targets    []string
	Profile    string
}

// ParseHoldings parses a mirror.toml. Its error is an *Error with this file.
func ParseHoldings(file string, data []byte) ([]Holding, error) {
	list, err := parseHoldings(file, data)
	if err != nil {
		return nil, &Error{file, err}
	}
	return list, nil
}

func parseHoldings(file string, data []byte) (list []Holding, err error) {
	if len(data) > MaxHoldings {
		return nil, &manifests.TooLargeError{Name: file, Limit: MaxHoldings}
	}
	keys, err := tomldoc.Decode(data, tomldoc.Small())
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", tomldoc.LineOf(err), err)
	}
	t := tomldoc.NewTable(keys)
	t.Format(1)
	for _, tool := range t.Tables("tool", maxHoldings) {
		list = append(list, parseHolding(tool))
	}
	return list, t.End()
}

func parseHolding(t *tomldoc.Table) Holding {
	h := Holding{Name: t.Text("name"), Last: int(t.Number("last", 1, MaxLast))}
	for _, text := range t.Texts("platforms", maxParts) {
		p, err := manifests.ParsePlatform(text)
		if err != nil || p.IsAny() {
			t.Fail("%.200q is not a platform", text)
		}
		h.Platforms = append(h.Platforms, p)
	}
	if len(h.Platforms) == 0 {
		t.Fail("no platforms")
	}
	h.Components, h.Targets = t.Texts("components", maxParts), t.Texts("targets", maxParts)
	if t.Has("profile") {
		h.Profile = t.Text("profile")
	}
	for _, name := range slices.Concat(h.Components, h.Targets) {
		if err := manifests.ValidName(name); err != nil {
			t.Fail("%v", err)
		}
	}
	t.End()
	return h
}

// EncodeHoldings is the inverse of ParseHoldings.
func EncodeHoldings(list []Holding) []byte {
	var b strings.Builder
	b.WriteString("# What this mirror holds. kist mirror sync writes and reads it.\nformat = 1\n")
	for _, h := range list {
		var platforms []string
		for _, p := range h.Platforms {
			platforms = append(platforms, p.String())
		}
		fmt.Fprintf(&b, "\n[[tool]]\nname = %s\nplatforms = %s\nlast = %d\n", tomldoc.Quote(h.Name), tomldoc.QuoteList(platforms), h.Last)
		if len(h.Components) > 0 {
			fmt.Fprintf(&b, "components = %s\n", tomldoc.QuoteList(h.Components))
		}
		if len(h.Targets) > 0 {
			fmt.Fprintf(&b, "targets = %s\n", tomldoc.QuoteList(h.Targets))
		}
		if h.Profile != "" {
			fmt.Fprintf(&b, "profile = %s\n", tomldoc.Quote(h.Profile))
		}
	}
	return []byte(b.String())
}

// EncodeMirrors returns a config.toml that names these mirrors.
func EncodeMirrors(list []Mirror) []byte {
	var b strings.Builder
	b.WriteString("format = 1\n")
	for _, m := range list {
		to := tomldoc.Quote(m.To[0])
		if len(m.To) > 1 {
			to = tomldoc.QuoteList(m.To)
		}
		fmt.Fprintf(&b, "\n[[mirror]]\nfrom = %s\nto = %s\n", tomldoc.Quote(m.From), to)
		if m.Only {
			b.WriteString("only = true\n")
		}
	}
	return []byte(b.String())
}
