package native

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/internal/tomldoc"
	"github.com/kist-tools/kist/verify"
)

// This file holds the sets of a manifest. A set names tools of its own channel and of
// others. It grants nothing: its users must trust those channels already.

// parseSet reads one set into m.
func (m *Manifest) parseSet(t *tomldoc.Table) error {
	if len(m.Sets) == maxList {
		t.Fail("over the limit of %d sets", maxList)
		return t.Err()
	}
	s := manifests.Set{Name: t.Text("name")}
	t.Locate(fmt.Sprintf("%s (%.64s)", t.Where(), verify.Printable(s.Name)))
	if err := manifests.ValidName(s.Name); err != nil {
		t.Fail("name: %v", err)
	}
	if slices.ContainsFunc(m.Sets, func(other manifests.Set) bool { return other.Name == s.Name }) {
		t.Fail("this set is listed twice")
	}
	named := map[string]bool{} // channel/tool
	for _, row := range t.Rows("tools", "tool", maxList) {
		tool := parseSetTool(row)
		key := m.inChannel(tool).Channel + "/" + tool.Tool
		if named[key] {
			t.Fail("it names %s twice", key)
		}
		named[key] = true
		s.Tools = append(s.Tools, tool)
	}
	if len(s.Tools) == 0 {
		t.Fail("it has no tools")
	}
	m.Sets = append(m.Sets, s)
	return t.End()
}

// parseSetTool reads one tool of a set: a reference, or a table with its parts.
func parseSetTool(t *tomldoc.Table) manifests.SetTool {
	tool, err := ParseSetTool(t.Text("tool"))
	if err != nil {
		t.Fail("%v", err)
	}
	tool.Components, tool.Targets = t.Texts("components", maxList), t.Texts("targets", maxList)
	if t.Has("profile") {
		tool.Profile = t.Text("profile")
		checkPart(t, "profile", tool.Profile)
	}
	for _, name := range tool.Components {
		checkPart(t, "component", name)
	}
	for _, name := range tool.Targets {
		checkPart(t, "target", name)
	}
	t.End()
	return tool
}

// checkPart checks the name of an optional part of a tool.
func checkPart(t *tomldoc.Table, kind, name string) {
	if err := manifests.ValidName(name); err != nil {
		t.Fail("%s %v", kind, err)
	}
}

// ParseSetTool parses how a set names a tool: [channel/]tool[@version].
func ParseSetTool(ref string) (manifests.SetTool, error) {
	rest, version, versioned := strings.Cut(ref, "@")
	channel, tool, named := strings.Cut(rest, "/")
	if !named {
		channel, tool = "", rest
	}
	t := manifests.SetTool{Channel: channel, Tool: tool, Version: version}
	if tool == "" && versioned {
		return t, fmt.Errorf("tool %.100q: a set cannot name a set", ref)
	}
	if err := manifests.ValidName(channel); named && err != nil {
		return t, fmt.Errorf("tool %.100q: channel %w", ref, err)
	}
	if err := manifests.ValidName(tool); err != nil {
		return t, fmt.Errorf("tool %.100q: %w", ref, err)
	}
	if number, _ := manifests.ExactVersion(version); versioned {
		if err := manifests.ValidVersion(number); err != nil {
			return t, fmt.Errorf("tool %.100q: version %w", ref, err)
		}
	}
	return t, nil
}

// inChannel returns t with the name of its channel.
func (m *Manifest) inChannel(t manifests.SetTool) manifests.SetTool {
	if t.Channel == "" {
		t.Channel = m.Channel
	}
	return t
}

// resolvedSets returns the sets of m, whose tools all name their channels.
func (m *Manifest) resolvedSets() (sets []manifests.Set) {
	for _, s := range m.Sets {
		s.Tools = slices.Clone(s.Tools)
		for i, t := range s.Tools {
			s.Tools[i] = m.inChannel(t)
		}
		sets = append(sets, s)
	}
	return sets
}

// CheckSets returns an error that matches verify.ErrUntrusted if a set names a tool, a
// version or a component of m's own channel that m does not have. Parse accepts that, so that one such
// set does not make the rest of the channel useless; publishers should not sign it.
func (m *Manifest) CheckSets() error {
	if len(m.Sets) == 0 {
		return nil
	}
	all := &catalog{channel: m.Channel, releases: map[string][]Release{}}
	for _, r := range m.Releases {
		all.releases[r.Tool] = append(all.releases[r.Tool], r)
	}
	for _, s := range m.resolvedSets() {
		for _, t := range s.Tools {
			if t.Channel != m.Channel {
				continue
			}
			list := all.newestFirst(t.Tool)
			if len(list) == 0 {
				return verify.Untrusted("set %s names %s, but the channel has no such tool; one of another channel is written CHANNEL/%s", s.Name, t.Tool, t.Tool)
			}
			r, ok := chooseRelease(list, t.Version, "")
			if !ok {
				return verify.Untrusted("set %s names %s@%s, but the channel has no such version", s.Name, t.Tool, t.Version)
			}
			for _, name := range t.Components {
				if !slices.ContainsFunc(r.Artifacts, func(a Artifact) bool { return a.Component == name }) {
					return verify.Untrusted("set %s names component %s of %s, but %s %s has no such component", s.Name, name, t.Tool, r.Tool, r.Version)
				}
			}
		}
	}
	return nil
}

// Sets returns the sets of the manifest; see manifests.SetCatalog. A set may name tools
// that the channel was not granted: Resolve does not find them.
func (c *catalog) Sets() []manifests.Set { return c.sets }

// set writes one set.
func (w *writer) set(s manifests.Set) {
	w.WriteString("\n[[set]]\n")
	w.pair("", "name", 6, tomldoc.Quote(s.Name))
	w.WriteString("tools = [\n")
	for _, t := range s.Tools {
		fmt.Fprintf(w, "  %s,\n", setTool(t))
	}
	w.WriteString("]\n")
}

// setTool returns the text of one tool of a set.
func setTool(t manifests.SetTool) string {
	if t.IsPlain() {
		return tomldoc.Quote(t.Ref())
	}
	pairs := []string{"tool = " + tomldoc.Quote(t.Ref())}
	if len(t.Components) > 0 {
		pairs = append(pairs, "components = "+tomldoc.QuoteList(t.Components))
	}
	if len(t.Targets) > 0 {
		pairs = append(pairs, "targets = "+tomldoc.QuoteList(t.Targets))
	}
	if t.Profile != "" {
		pairs = append(pairs, "profile = "+tomldoc.Quote(t.Profile))
	}
	return "{ " + strings.Join(pairs, ", ") + " }"
}
