package rust

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/internal/tomldoc"
	"github.com/kist-tools/kist/verify"
)

// Ceilings on a manifest besides its size. The manifest of 1.95.0 has 21
// packages for at most 104 targets, and lists of 162.
const (
	MaxPackages = 1000
	MaxTargets  = 1000
	MaxList     = 4000
)

// limits bound what a manifest is decoded to. That of 1.95.0 has 6,091 headers of
// 29,499 parts, 20,445 keys, and 1,678 values.
var limits = tomldoc.Limits{Tables: 256 << 10, Keys: 256 << 10, Values: 128 << 10}

// A Manifest is what a channel manifest says, as far as it matters here.
type Manifest struct {
	Date     string // YYYY-MM-DD
	Number   string // of the release: "1.95.0", "1.96.0-nightly"
	packages map[string]map[string]target
	host     map[string][]component // what pkg.rust lists, by host triple
	renames  map[string]string      // short name to package
	profiles map[string][]string    // package names
}

// A target is one package built for one triple, or for "*", any.
type target struct {
	available bool
	archives  []archive // the best first; of an available one at least one
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

// A FormatError says where and how a manifest breaks its format.
type FormatError struct {
	Where string // "line 3", "pkg.rust"; empty: the manifest itself
	Rule  string
}

func (e *FormatError) Error() string {
	if e.Where == "" {
		return "manifest: " + e.Rule
	}
	return fmt.Sprintf("manifest: %s: %s", e.Where, e.Rule)
}

// Is reports that a manifest that breaks its format is not trusted.
func (e *FormatError) Is(target error) bool { return target == verify.ErrUntrusted }

// Parse reads a proved manifest. Its errors are *FormatError, and match
// verify.ErrUntrusted.
func Parse(d verify.Document) (*Manifest, error) {
	if d.IsZero() {
		return nil, fmt.Errorf("the manifest was not proved: %w", verify.ErrUntrusted)
	}
	return parse(d.View())
}

// parse reads the tables by their exact keys and judges all of them.
func parse(data []byte) (*Manifest, error) {
	keys, err := tomldoc.Decode(data, limits)
	if err != nil {
		return nil, &FormatError{fmt.Sprintf("line %d", tomldoc.LineOf(err)), err.Error()}
	}
	t := &table{keys: keys, fault: new(error)}
	if v := t.text("manifest-version"); v != "2" {
		t.fail("manifest-version is %q, not 2", v)
	}
	m := &Manifest{Date: t.text("date"), packages: map[string]map[string]target{}, host: map[string][]component{},
		renames: map[string]string{}, profiles: map[string][]string{}}
	if _, err := time.Parse(time.DateOnly, m.Date); err != nil {
		t.fail("date is %.40q, not YYYY-MM-DD", m.Date)
	}
	packages := t.table("pkg")
	packages.atMost(MaxPackages)
	for name := range packages.keys {
		m.readPackage(name, packages.table(name))
	}
	renames := t.optional("renames")
	renames.atMost(MaxPackages)
	for short := range renames.keys {
		renames.name(short)
		m.renames[short] = renames.table(short).text("to")
	}
	profiles := t.optional("profiles")
	profiles.atMost(MaxPackages)
	for name := range profiles.keys {
		m.profiles[name] = profiles.texts(name)
	}
	m.judge(t)
	if *t.fault != nil {
		return nil, *t.fault
	}
	return m, nil
}

func (m *Manifest) readPackage(name string, p *table) {
	p.name(name)
	version := p.text("version")
	if name == "rust" {
		m.Number, _, _ = strings.Cut(version, " ")
	}
	targets := p.table("target")
	targets.atMost(MaxTargets)
	m.packages[name] = map[string]target{}
	for triple := range targets.keys {
		if triple != "*" {
			targets.name(triple)
		}
		t := targets.table(triple)
		m.packages[name][triple] = readTarget(t)
		if name == "rust" {
			m.host[triple] = append(t.components("components", false), t.components("extensions", true)...)
		} else if len(t.list("components"))+len(t.list("extensions")) > 0 {
			t.fail("it has components, which only pkg.rust has")
		}
	}
}

// readTarget reads the archives of a package, the ones that cost least to
// unpack first.
func readTarget(t *table) target {
	out := target{available: t.truth("available")}
	for _, kind := range []struct{ prefix, format string }{{"zst_", "tar.zst"}, {"", "tar.gz"}, {"xz_", "tar.xz"}} {
		_, hasURL := t.keys[kind.prefix+"url"]
		_, hasHash := t.keys[kind.prefix+"hash"]
		if !hasURL && !hasHash {
			continue
		}
		at, digits := t.text(kind.prefix+"url"), t.text(kind.prefix+"hash")
		if at == "" && digits == "" && !out.available {
			continue
		}
		u, err := url.Parse(at)
		if err != nil || !slices.Contains([]string{"https", "http", "file"}, u.Scheme) || u.Opaque != "" || u.User != nil ||
			u.RawQuery != "" || u.Fragment != "" || (u.Host == "") != (u.Scheme == "file") || strings.HasSuffix(u.Path, "/") {
			t.fail("%surl %.200q is not the URL of a file", kind.prefix, manifests.Redact(at))
			continue
		}
		digest, err := verify.ParseDigest("sha256:" + digits)
		if err != nil {
			t.fail("%shash: %v", kind.prefix, err)
		}
		out.archives = append(out.archives, archive{kind.format, u, digest})
	}
	if out.available && len(out.archives) == 0 {
		t.fail("it is available, and has no url")
	}
	return out
}

// judge holds what refers to packages to the packages there are.
func (m *Manifest) judge(t *table) {
	if _, ok := m.packages["rust"]; !ok {
		t.fail("pkg.rust is missing")
	}
	for host, list := range m.host {
		for _, c := range list {
			if _, ok := m.find(c); !ok {
				t.fail("pkg.rust.target.%s lists %s for %q, which is not there", host, c.pkg, c.target)
			}
		}
	}
	for short, pkg := range m.renames {
		if _, ok := m.packages[pkg]; !ok {
			t.fail("renames.%s is to %q, which is not there", short, pkg)
		}
	}
}

// find returns the package of a component: that for its target, or for any.
func (m *Manifest) find(c component) (target, bool) {
	t, ok := m.packages[c.pkg][c.target]
	if !ok {
		t, ok = m.packages[c.pkg]["*"]
	}
	return t, ok
}

// is refuses a manifest that is not the one n names.
func (m *Manifest) is(n Name) error {
	switch {
	case !n.covers(m.Number):
		return &FormatError{"pkg.rust", fmt.Sprintf("it states version %.60q, where %s was asked for", m.Number, n)}
	case n.Date != "" && n.Date != m.Date:
		return &FormatError{"", fmt.Sprintf("it is of %s, where %s was asked for", m.Date, n)}
	}
	return nil
}

// schemes refuses URLs that a channel of this scheme may not lead to: https is
// fine for every channel, any other only for a channel that uses it itself.
func (m *Manifest) schemes(own string) error {
	for name, targets := range m.packages {
		for triple, t := range targets {
			for _, a := range t.archives {
				if a.url.Scheme != "https" && a.url.Scheme != own {
					return &FormatError{"pkg." + name + ".target." + triple, fmt.Sprintf("a url of scheme %s in a manifest from %s", a.url.Scheme, own)}
				}
			}
		}
	}
	return nil
}
