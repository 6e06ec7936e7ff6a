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
		return c, fmt.Errorf("line %d: %w", tomldoc.LineOf(err), err)
	}
	doc := tomldoc.NewTable(keys)
	tools := doc.Optional("tools")
	tools.AtMost(maxTools)
	for _, name := range tools.Keys() {
		c.Asks = append(c.Asks, parseTool(tools, name))
	}
	return c, doc.End()
}

// parseTool reads one tool: a version, or a table with its parts.
func parseTool(tools *tomldoc.Table, name string) (a Ask) {
	channel, tool, named := strings.Cut(name, "/")
	if !named {
		channel, tool = "", name
	}
	a.Channel, a.Tool = channel, tool
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
