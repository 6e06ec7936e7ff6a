package advisories

import (
	"strings"

	"github.com/kist-tools/kist/manifests/debian"
)

// Own is the ecosystem of a database that somebody keeps for channels of their own. Its
// packages are channel/tool. It is not one of OSV's.
const Own = "kist"

// A Row says what a tool of a built-in channel is called in the world of OSV.
type Row struct{ Tool, Ecosystem, Name string }

// Table returns the one table of names. Upstreams that are not in it have no ecosystem whose
// versions are theirs.
func Table() []Row {
	return []Row{
		{"go", "Go", "stdlib"},
		{"go", "Go", "toolchain"},
		{"go", "Bitnami", "golang"},
		{"node", "Bitnami", "node"},
	}
}

// A Suite says which ecosystem a distribution is in the world of OSV.
type Suite struct{ Codename, Ecosystem string }

// Suites returns the table of distributions.
func Suites() []Suite {
	return []Suite{
		{"bullseye", "Debian:11"}, {"bookworm", "Debian:12"}, {"trixie", "Debian:13"},
		{"jammy", "Ubuntu:22.04:LTS"}, {"noble", "Ubuntu:24.04:LTS"},
	}
}

// OfTool returns what a tool is called: by the Table if its channel is built in, and in a
// database of one's own.
func OfTool(channel, tool string, builtin bool) []Package {
	list := []Package{{Ecosystem: Own, Name: channel + "/" + tool}}
	for _, row := range Table() {
		if builtin && row.Tool == tool {
			list = append(list, Package{Ecosystem: row.Ecosystem, Name: row.Name})
		}
	}
	return list
}

// OfSource returns what a source package of a distribution is called. index is the URL of
// the package list that names it. ok is false for a distribution without an ecosystem.
func OfSource(index, source string) (p Package, ok bool) {
	for _, s := range Suites() {
		if strings.Contains(index, "/dists/"+s.Codename+"/") || strings.Contains(index, "/dists/"+s.Codename+"-") {
			return Package{s.Ecosystem, source, debian.Compare}, true
		}
	}
	return p, false
}
