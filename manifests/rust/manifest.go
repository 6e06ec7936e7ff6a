package rust

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/internal/tomldoc"
	"github.com/kist-tools/kist/verify"
)

// Ceilings on a manifest, in addition to its size. The manifest of 1.95.0 has 21
// packages for at most 104 targets, and lists of 162.
const (
	maxPackages = 1000
	maxTargets  = 1000
	maxList     = 4000
)

// limits bounds the decoded manifest. That of 1.95.0 has 6,091 headers of 29,499 parts,
// 20,445 keys, and 1,678 values.
var limits = tomldoc.Limits{Tables: 256 << 10, Keys: 256 << 10, Values: 128 << 10}

// A channelManifest holds the parts of a channel manifest that kist needs.
type channelManifest struct {
	Date     string // YYYY-MM-DD
	Number   string // of the release: "1.95.0", "1.96.0-nightly"
	packages map[string]map[string]target
	host     map[string][]component // the lists of pkg.rust, by host triple
	renames  map[string]string      // short name to package
	profiles map[string][]string    // package names
}

// A target is one package built for one triple, or for "*", which means all.
type target struct {
	available bool
	archives  []archive // the best first; not empty if available
}

type archive struct {
	format string
	url    *url.URL
	digest verify.Digest
}

// A component is a part of a toolchain: a package for a target.
type component struct {
	pkg, target string
	optional    bool
}

// parseDocument reads a proved manifest. Its errors are *manifests.FormatError, and match
// verify.ErrUntrusted.
func parseDocument(d verify.Document) (*channelManifest, error) {
	if d.IsZero() {
		return nil, fmt.Errorf("the manifest was not proved: %w", verify.ErrUntrusted)
	}
	return parse(d.View())
}

// parse reads the tables by their exact keys and checks all of them.
func parse(data []byte) (*channelManifest, error) {
	keys, err := tomldoc.Decode(data, limits)
	if err != nil {
		return nil, &manifests.FormatError{Where: fmt.Sprintf("line %d", tomldoc.LineOf(err)), Rule: err.Error()}
	}
	t := tomldoc.NewTable(keys)
	if v := t.Text("manifest-version"); v != "2" {
		t.Fail("manifest-version is %q, not 2", v)
	}
	m := &channelManifest{Date: t.Text("date"), packages: map[string]map[string]target{}, host: map[string][]component{},
		renames: map[string]string{}, profiles: map[string][]string{}}
	if _, err := time.Parse(time.DateOnly, m.Date); err != nil {
		t.Fail("date is %.40q, not YYYY-MM-DD", m.Date)
	}
	packages := t.Table("pkg")
	packages.AtMost(maxPackages)
	for _, name := range packages.Keys() {
		m.readPackage(name, packages.Table(name))
	}
	renames := t.Optional("renames")
	renames.AtMost(maxPackages)
	for _, short := range renames.Keys() {
		checkName(renames, short)
		m.renames[short] = renames.Table(short).Text("to")
	}
	profiles := t.Optional("profiles")
	profiles.AtMost(maxPackages)
	for _, name := range profiles.Keys() {
		m.profiles[name] = profiles.Texts(name, maxList)
	}
	m.checkReferences(t)
	if rule, ok := errors.AsType[*tomldoc.RuleError](t.Err()); ok {
		return nil, &manifests.FormatError{Where: rule.Where, Rule: rule.Rule}
	}
	return m, nil
}

func (m *channelManifest) readPackage(name string, p *tomldoc.Table) {
	checkName(p, name)
	version := p.Text("version")
	if name == "rust" {
		m.Number, _, _ = strings.Cut(version, " ")
	}
	targets := p.Table("target")
	targets.AtMost(maxTargets)
	m.packages[name] = map[string]target{}
	for _, triple := range targets.Keys() {
		if triple != "*" {
			checkName(targets, triple)
		}
		t := targets.Table(triple)
		m.packages[name][triple] = readTarget(t)
		if name == "rust" {
			m.host[triple] = append(readComponents(t, "components", false), readComponents(t, "extensions", true)...)
		} else if len(t.Tables("components", maxList))+len(t.Tables("extensions", maxList)) > 0 {
			t.Fail("it has components, which only pkg.rust may have")
		}
	}
}

// readTarget reads the archives of a package, cheapest to unpack first.
func readTarget(t *tomldoc.Table) target {
	out := target{available: t.Bool("available")}
	for _, kind := range []struct{ prefix, format string }{{"zst_", "tar.zst"}, {"", "tar.gz"}, {"xz_", "tar.xz"}} {
		if !t.Has(kind.prefix+"url") && !t.Has(kind.prefix+"hash") {
			continue
		}
		ref, digits := t.Text(kind.prefix+"url"), t.Text(kind.prefix+"hash")
		if ref == "" && digits == "" && !out.available {
			continue
		}
		u, err := manifests.ParseURL(ref)
		if err != nil || u.User != nil || u.RawQuery != "" || strings.HasSuffix(u.Path, "/") {
			t.Fail("%surl %.200q is not the URL of a file", kind.prefix, manifests.Redact(ref))
			continue
		}
		digest, err := verify.ParseDigest("sha256:" + digits)
		if err != nil {
			t.Fail("%shash: %v", kind.prefix, err)
		}
		out.archives = append(out.archives, archive{kind.format, u, digest})
	}
	if out.available && len(out.archives) == 0 {
		t.Fail("it is available but has no url")
	}
	return out
}

// readComponents reads an array of {pkg, target}. If optional is set all of them are
// optional, otherwise those that are marked so.
func readComponents(t *tomldoc.Table, key string, optional bool) (list []component) {
	for _, one := range t.Tables(key, maxList) {
		c := component{pkg: one.Text("pkg"), target: one.Text("target"), optional: optional}
		if one.Has("is_extension") && one.Bool("is_extension") {
			c.optional = true
		}
		list = append(list, c)
	}
	return list
}

// checkName checks a key that becomes part of file names.
func checkName(t *tomldoc.Table, key string) {
	if err := manifests.ValidName(key); err != nil {
		t.Fail("name %v", err)
	}
}

// checkReferences checks that every package that is referred to exists.
func (m *channelManifest) checkReferences(t *tomldoc.Table) {
	if _, ok := m.packages["rust"]; !ok {
		t.Fail("pkg.rust is missing")
	}
	for host, list := range m.host {
		for _, c := range list {
			if _, ok := m.find(c); !ok {
				t.Fail("pkg.rust.target.%s lists %s for %q, which does not exist", host, c.pkg, c.target)
			}
		}
	}
	for short, pkg := range m.renames {
		if _, ok := m.packages[pkg]; !ok {
			t.Fail("renames.%s is to %q, which does not exist", short, pkg)
		}
	}
}

// find returns the package of a component: for its target, or else for "*".
func (m *channelManifest) find(c component) (target, bool) {
	t, ok := m.packages[c.pkg][c.target]
	if !ok {
		t, ok = m.packages[c.pkg]["*"]
	}
	return t, ok
}

// checkName refuses a manifest that is not the one n names.
func (m *channelManifest) checkName(n releaseName) error {
	switch {
	case !n.covers(m.Number):
		return &manifests.FormatError{Where: "pkg.rust", Rule: fmt.Sprintf("it states version %.60q, where %s was asked for", m.Number, n)}
	case n.Date != "" && n.Date != m.Date:
		return &manifests.FormatError{Rule: fmt.Sprintf("it is of %s, where %s was asked for", m.Date, n)}
	}
	return nil
}

// checkSchemes refuses URLs of a scheme that the channel must not lead to: https is
// allowed for every channel, another scheme only if the channel uses it itself.
func (m *channelManifest) checkSchemes(own string) error {
	for name, targets := range m.packages {
		for triple, t := range targets {
			for _, a := range t.archives {
				if a.url.Scheme != "https" && a.url.Scheme != own {
					return &manifests.FormatError{Where: "pkg." + name + ".target." + triple, Rule: fmt.Sprintf("a url of scheme %s in a manifest from %s", a.url.Scheme, own)}
				}
			}
		}
	}
	return nil
}
