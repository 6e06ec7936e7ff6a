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
//	url = "https://mirror.corp.example/"   # where clients find the snapshot that is served
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

// Holdings is the content of a mirror.toml. The zero Holdings names no tool.
type Holdings struct {
	URL   string // where clients find the snapshot that is served, ending in "/"; "": by its file URL
	Tools []Holding
}

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
func ParseHoldings(file string, data []byte) (Holdings, error) {
	h, err := parseHoldings(file, data)
	if err != nil {
		return Holdings{}, &Error{file, err}
	}
	return h, nil
}

func parseHoldings(file string, data []byte) (h Holdings, err error) {
	if len(data) > MaxHoldings {
		return h, &manifests.TooLargeError{Name: file, Limit: MaxHoldings}
	}
	keys, err := tomldoc.Decode(data, tomldoc.Small())
	if err != nil {
		return h, fmt.Errorf("line %d: %w", tomldoc.LineOf(err), err)
	}
	t := tomldoc.NewTable(keys)
	t.Format(1)
	if t.Has("url") {
		h.URL = t.Text("url")
		checkBeginning(t, "url", h.URL, "https", "http", "file")
	}
	for _, tool := range t.Tables("tool", maxHoldings) {
		h.Tools = append(h.Tools, parseHolding(tool))
	}
	return h, t.End()
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
func EncodeHoldings(all Holdings) []byte {
	var b strings.Builder
	b.WriteString("# What this mirror holds. kist mirror sync writes and reads it.\nformat = 1\n")
	if all.URL != "" {
		fmt.Fprintf(&b, "url = %s\n", tomldoc.Quote(all.URL))
	}
	for _, h := range all.Tools {
		fmt.Fprintf(&b, "\n[[tool]]\nname = %s\nplatforms = %s\nlast = %d\n", tomldoc.Quote(h.Name), tomldoc.QuoteList(h.platforms()), h.Last)
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

// platforms returns the platforms of h as text.
func (h Holding) platforms() (list []string) {
	for _, p := range h.Platforms {
		list = append(list, p.String())
	}
	return list
}

// A Replaced is a setting of a mirror.toml that has another value than before.
type Replaced struct {
	Tool    string `json:"tool,omitempty"` // "": a setting of the mirror itself
	Setting string `json:"setting"`        // its key; "name": the tool is not named any more
	Was     string `json:"was"`
	Is      string `json:"is"` // "": it has no value now
}

// ReplacedBy returns what of h is otherwise in next. What only next has replaces nothing.
func (h Holdings) ReplacedBy(next Holdings) (list []Replaced) {
	if h.URL != "" && h.URL != next.URL {
		list = append(list, Replaced{"", "url", h.URL, next.URL})
	}
	for _, was := range h.Tools {
		i := slices.IndexFunc(next.Tools, func(is Holding) bool { return is.Name == was.Name })
		if i < 0 {
			list = append(list, Replaced{was.Name, "name", was.Name, ""})
			continue
		}
		before, after := was.settings(), next.Tools[i].settings()
		for n, s := range before {
			if s.value != after[n].value {
				list = append(list, Replaced{was.Name, s.key, s.value, after[n].value})
			}
		}
	}
	return list
}

type setting struct{ key, value string }

// settings returns the settings of h as text, in an order that is the same for each.
func (h Holding) settings() []setting {
	join := func(list []string) string { return strings.Join(list, ", ") }
	return []setting{
		{"platforms", join(h.platforms())}, {"last", fmt.Sprint(h.Last)},
		{"components", join(h.Components)}, {"targets", join(h.Targets)}, {"profile", h.Profile},
	}
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
