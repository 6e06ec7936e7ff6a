package project

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/kist-tools/kist/manifests"
)

// parseToolVersions reads .tool-versions of asdf and mise: in each line a tool, and its
// version; further versions are for when that one is missing, and are left out. Source:
// https://asdf-vm.com/manage/configuration.html.
func parseToolVersions(data []byte) (c Content, err error) {
	names := map[string]string{"golang": "go", "nodejs": "node", "openjdk": "java"}
	for line := range strings.Lines(string(data)) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		tool := words[0]
		if known, ok := names[tool]; ok {
			tool = known
		}
		if err := manifests.ValidName(tool); err != nil {
			return c, fmt.Errorf("tool %w", err)
		}
		if len(words) == 1 {
			return c, fmt.Errorf("%s has no version", tool)
		}
		c.addSpelled(tool, words[1])
		if len(c.Asks)+len(c.Unanswered) > maxTools {
			return c, fmt.Errorf("more than %d tools", maxTools)
		}
	}
	return c, nil
}

// parseSdkman reads .sdkmanrc: lines of candidate=version. Source: sdkman.io/usage.
func parseSdkman(data []byte) (c Content, err error) {
	for line := range strings.Lines(string(data)) {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		tool, version, ok := strings.Cut(line, "=")
		tool, version = strings.TrimSpace(tool), strings.TrimSpace(version)
		if err := manifests.ValidName(tool); err != nil {
			return c, fmt.Errorf("candidate %w", err)
		}
		if !ok || version == "" {
			return c, fmt.Errorf("%s has no version", tool)
		}
		c.addSpelled(tool, version)
		if len(c.Asks)+len(c.Unanswered) > maxTools {
			return c, fmt.Errorf("more than %d candidates", maxTools)
		}
	}
	return c, nil
}

// parsePackageJSON reads package.json: volta.node, else the range of engines.node. With
// volta.extends, as in the packages of a workspace, another package.json decides: one in a
// directory above is read there, and none elsewhere. Sources: docs.volta.sh, "Managing your
// Project" and "Workspaces"; docs.npmjs.com, "package.json".
func parsePackageJSON(data []byte) (c Content, err error) {
	var p struct {
		Volta   struct{ Node, Extends string }
		Engines json.RawMessage // a list in very old files
	}
	if err := json.Unmarshal(data, &p); err != nil {
		return c, err
	}
	switch {
	case p.Volta.Node != "":
		c.addSpelled("node", p.Volta.Node)
		return c, nil
	case p.Volta.Extends != "":
		return c, nil
	}
	var engines struct{ Node string }
	if json.Unmarshal(p.Engines, &engines) != nil || engines.Node == "" {
		return c, nil
	}
	if _, err := parseRange(engines.Node); err != nil {
		c.skip("node %.40q: %v", engines.Node, err)
		return c, nil
	}
	c.Asks = append(c.Asks, Ask{Tool: "node", Range: engines.Node})
	return c, nil
}

// Allows reports whether version answers a: it lies in its Range, or, without one, is
// what its Version means; labels are those of the release.
func (a Ask) Allows(version string, labels []string) bool {
	if a.Range != "" {
		r, err := parseRange(a.Range)
		return err == nil && r.meets(version)
	}
	if a.Version == "" || manifests.MatchesVersion(a.Version, version) {
		return true
	}
	for _, label := range labels {
		if label == a.Version {
			return true
		}
	}
	return false
}
