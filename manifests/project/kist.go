package project

import (
	"fmt"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/internal/tomldoc"
)

// File is the name of kist's own file.
const File = "kist.toml"

// Ceilings on the file.
const (
	maxTools = 256
	maxParts = 256 // components, and targets, of a tool
)

// parseKist reads kist.toml:
//
//	[tools]
//	go   = "1.26"
//	rust = { version = "1.95", components = ["clippy"], targets = ["wasm32-unknown-unknown"], profile = "minimal" }
//	"acme/zig" = "0.14.0"
//
// Any other table or key is an error: a file in a repository can say nothing else.
func parseKist(data []byte) (c Content, err error) {
	keys, err := tomldoc.Decode(data, tomldoc.Small())
	if err != nil {
		line := tomldoc.LineOf(err)
		if name, value, ok := unquotedTool(data, line); ok {
			return c, fmt.Errorf("line %d: quote it: %q = %s", line, name, value)
		}
		return c, fmt.Errorf("line %d: %w", line, err)
	}
	doc := tomldoc.NewTable(keys)
	tools := doc.Optional("tools")
	tools.AtMost(maxTools)
	for _, name := range tools.Keys() {
		if tools.IsNumber(name) {
			tools.Fail("a version is a text: write %s = %q", Ask{Tool: name}.quotedKey(), numberText(data, name))
		}
		c.Asks = append(c.Asks, parseTool(tools, name))
	}
	for _, key := range doc.Keys() {
		if len(manifests.Near(key, []string{"tools"})) > 0 {
			doc.Fail("unknown key %q; did you mean [tools]?", key)
		}
	}
	return c, doc.End()
}

// unquotedTool returns the name and the value on a line, counted from 1, that names a
// channel and a tool without the quotes that TOML demands.
func unquotedTool(data []byte, line int) (name, value string, ok bool) {
	lines := strings.Split(string(data), "\n")
	if line < 1 || line > len(lines) {
		return "", "", false
	}
	name, value, ok = strings.Cut(lines[line-1], "=")
	channel, tool, named := strings.Cut(strings.TrimSpace(name), "/")
	if !ok || !named || manifests.ValidName(channel) != nil || manifests.ValidName(tool) != nil {
		return "", "", false
	}
	return channel + "/" + tool, withoutComment(value), true
}

// numberText returns the number that a tool has instead of a version, as it is written:
// decoded, 1.10 would be 1.1. If it is not on a line of its own, it returns "VERSION".
func numberText(data []byte, tool string) string {
	for line := range strings.Lines(string(data)) {
		key, value, ok := strings.Cut(line, "=")
		if ok && unquote(strings.TrimSpace(key)) == tool {
			return withoutComment(value)
		}
	}
	return "VERSION"
}

// withoutComment returns the value at the beginning of text, up to the end of the line.
func withoutComment(text string) string {
	return strings.TrimSpace(strings.TrimSuffix(text, afterValue(text)))
}

// parseTool reads one tool: a version, or a table with its parts.
func parseTool(tools *tomldoc.Table, name string) (a Ask) {
	channel, tool, named := strings.Cut(name, "/")
	if !named {
		channel, tool = "", name
	}
	a.Channel, a.Tool = channel, tool
	if strings.HasPrefix(tool, "@") {
		tools.Fail("%q is a set, and here each tool is named by itself; kist install CHANNEL/@NAME installs a set", name)
		return a
	}
	for _, part := range []string{channel, tool} {
		if err := manifests.ValidName(part); err != nil && (named || part != "") {
			tools.Fail("%v", err)
		}
	}
	if !tools.IsTable(name) {
		a.Version = tools.Text(name)
	} else {
		t := tools.Table(name)
		if t.Has("version") {
			a.Version = t.Text("version")
		}
		a.Components, a.Targets = t.Texts("components", maxParts), t.Texts("targets", maxParts)
		if t.Has("profile") {
			a.Profile = t.Text("profile")
		}
		for _, part := range append(append([]string{}, a.Components...), a.Targets...) {
			if err := manifests.ValidName(part); err != nil {
				t.Fail("%v", err)
			}
		}
		if a.Profile != "" {
			if err := manifests.ValidName(a.Profile); err != nil {
				t.Fail("profile %v", err)
			}
		}
		if err := t.End(); err != nil {
			return a
		}
	}
	if number, _ := manifests.ExactVersion(a.Version); number != "" {
		if err := manifests.ValidVersion(number); err != nil {
			tools.Fail("%s: version %v", name, err)
		}
	}
	return a
}
