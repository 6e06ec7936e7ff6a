package debian

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// maxPackages is how many stanzas the indices of a channel may hold in total; those of
// trixie's main hold some 69,000.
const maxPackages = 1 << 20

// An archive holds the newest version of each package in a set of indices. There are
// very many packages and few are needed, so a stanza is parsed and checked only when
// its package is considered.
type archive struct {
	arch     string // dpkg's name of the architecture
	packages map[string]*pkg
	indices  []*index // in the order in which they were added
	stanzas  int
	free     []pkg // rest of the last allocated block
	// providing maps a name to the packages whose stanzas seem to provide it; nil until
	// first used. Once those packages are parsed, what they provide is in provided.
	providing map[string][]*pkg
	provided  map[string][]provision
}

// A pkg is one version of one package.
type pkg struct {
	name    string
	version []byte // empty until readVersion
	stanza  []byte
	index   *index
	known   *details // nil until details is called
	read    bool     // its Provides are in the archive's provided
}

// A provision is a package that provides a name.
type provision struct {
	provider *pkg
	version  string // of the provided name; empty: not stated
}

func newArchive(arch string) *archive {
	return &archive{arch: arch, packages: map[string]*pkg{}, provided: map[string][]provision{}}
}

// An index is one proved list of packages.
type index struct {
	name     string          // for display
	root     string          // URL of the archive, ending in a slash; files are relative to it
	suite    string          // name of its suite
	path     string          // below the suite's directory, without its compression
	evidence verify.Evidence // of the list as published
}

// add reads a list of packages. If a package is already known, the higher version wins;
// of equal versions, the first.
func (a *archive) add(x *index, d verify.Document) error {
	a.indices = append(a.indices, x)
	data := d.View()
	if a.stanzas == 0 { // room for all of them, at the usual length of a stanza
		a.packages = make(map[string]*pkg, len(data)/700)
	}
	if err := checkBytes(data); err != nil {
		return &manifests.FormatError{Document: x.name, Rule: err.Error()}
	}
	for {
		var s []byte
		if s, data = stanza(data); len(s) == 0 {
			return nil
		}
		if a.stanzas++; a.stanzas > maxPackages {
			return &manifests.TooLargeError{Name: x.name, Limit: maxPackages}
		}
		if err := a.addStanza(x, s); err != nil {
			return err
		}
	}
}

func (a *archive) addStanza(x *index, s []byte) error {
	name, err := packageOf(s)
	if err != nil {
		return &manifests.FormatError{Document: x.name, Rule: err.Error()}
	}
	have := a.packages[string(name)]
	p := a.newPkg()
	*p = pkg{name: string(name), stanza: s, index: x}
	if have != nil {
		if err := errors.Join(a.readVersion(have), a.readVersion(p)); err != nil {
			return err
		}
		if Compare(string(have.version), string(p.version)) >= 0 {
			return nil
		}
	}
	a.packages[p.name] = p
	return nil
}

// packageOf returns the package name of a stanza; usually it is the first field.
func packageOf(s []byte) (name []byte, err error) {
	if len(s) > maxStanza {
		return nil, fmt.Errorf("a stanza of %d bytes, over the limit of %d", len(s), maxStanza)
	}
	if rest, ok := bytes.CutPrefix(s, []byte("Package: ")); ok {
		if end := bytes.IndexByte(rest, '\n'); end >= 0 {
			name = rest[:end]
		}
	} else {
		err = fields(s, wanted{"Package", &name})
	}
	if err == nil && !validPackage(name) {
		err = fmt.Errorf("package %.60q: not a valid package name", name)
	}
	return name, err
}

// newPkg returns a new pkg, allocated in blocks.
func (a *archive) newPkg() *pkg {
	if len(a.free) == 0 {
		a.free = make([]pkg, 1024)
	}
	p := &a.free[0]
	a.free = a.free[1:]
	return p
}

// readVersion reads p's version and checks that p is for the archive's architecture.
func (a *archive) readVersion(p *pkg) error {
	if len(p.version) > 0 {
		return nil
	}
	var name, version, arch []byte
	err := fields(p.stanza, wanted{"Package", &name}, wanted{"Version", &version}, wanted{"Architecture", &arch})
	if err == nil {
		err = validVersion(version)
	}
	if err == nil && string(arch) != "all" && string(arch) != a.arch {
		err = fmt.Errorf("architecture %.60q in an index of %s", arch, a.arch)
	}
	if err != nil {
		return p.formatError(err)
	}
	p.version = version
	return nil
}

// find returns the newest version of a package, nil if there is none.
func (a *archive) find(name string) (*pkg, error) {
	p := a.packages[name]
	if p == nil {
		return nil, nil
	}
	return p, a.readVersion(p)
}

// providers returns the packages that provide name.
func (a *archive) providers(name string) ([]provision, error) {
	if a.providing == nil {
		if err := a.findProviding(); err != nil {
			return nil, err
		}
	}
	for _, p := range a.providing[name] {
		if p.read {
			continue
		}
		clauses, err := p.provides()
		if err != nil {
			return nil, err
		}
		p.read = true
		for _, c := range clauses {
			a.provided[c[0].name] = append(a.provided[c[0].name], provision{p, c[0].other})
		}
	}
	return a.provided[name], nil
}

// maxProvided is how many names the packages of a channel may provide in total; those
// of trixie's main provide some 100,000.
const maxProvided = 1 << 19

// findProviding indexes by name the packages that provide others, without checking
// them.
func (a *archive) findProviding() error {
	a.providing = map[string][]*pkg{}
	n := 0
	for _, p := range a.packages {
		i := bytes.Index(p.stanza, []byte("\nProvides:"))
		if i < 0 {
			continue
		}
		_, value, _, _ := field(p.stanza[i+1:])
		for part := range bytes.SplitSeq(value, []byte(",")) {
			name := bytes.TrimSpace(part)
			if end := bytes.IndexAny(name, " \t\n(:|"); end >= 0 {
				name = name[:end]
			}
			if n++; n > maxProvided {
				return &manifests.FormatError{Document: p.index.name, Rule: fmt.Sprintf("its packages provide more than %d names", maxProvided)}
			}
			a.providing[string(name)] = append(a.providing[string(name)], p)
		}
	}
	return nil
}

func (p *pkg) provides() ([]clause, error) {
	var value []byte
	err := fields(p.stanza, wanted{"Provides", &value})
	if err != nil {
		return nil, p.formatError(err)
	}
	clauses, err := parseRelations(string(value))
	for _, c := range clauses {
		if len(c) > 1 || c[0].op != "" && c[0].op != "=" {
			err = fmt.Errorf("it provides %q", c)
		}
	}
	if err != nil {
		return nil, p.formatError(err)
	}
	return clauses, nil
}

// details are the fields of a stanza other than name and version.
type details struct {
	multiArch string
	depends   []clause // Pre-Depends and Depends
	filename  string   // below the archive's root
	size      int64
	unpacked  int64 // the package's own estimate, or 0
	digest    verify.Digest
}

// details parses p's stanza on first use.
func (a *archive) details(p *pkg, m *meter) (details, error) {
	if p.known == nil {
		d, err := p.details()
		if err != nil {
			return d, err
		}
		p.known = &d
	}
	return *p.known, m.spend(len(p.known.depends))
}

func (p *pkg) details() (details, error) {
	var multiArch, pre, depends, filename, size, installed, sum []byte
	err := fields(p.stanza, wanted{"Multi-Arch", &multiArch}, wanted{"Pre-Depends", &pre}, wanted{"Depends", &depends},
		wanted{"Filename", &filename}, wanted{"Size", &size}, wanted{"Installed-Size", &installed}, wanted{"SHA256", &sum})
	if err != nil {
		return details{}, p.formatError(err)
	}
	d := details{multiArch: string(multiArch), filename: string(filename)}
	for _, value := range [][]byte{pre, depends} {
		clauses, err := parseRelations(string(value))
		if err != nil {
			return d, p.formatError(err)
		}
		d.depends = append(d.depends, clauses...)
	}
	if _, err := manifests.Join(p.index.root, d.filename); err != nil || !strings.HasSuffix(d.filename, ".deb") {
		return d, p.formatError(fmt.Errorf("file name %.120q is not that of a .deb below the archive", filename))
	}
	if d.size, err = strconv.ParseInt(string(size), 10, 64); err != nil || d.size <= 0 {
		return d, p.formatError(fmt.Errorf("size %.40q", size))
	}
	if kib, err := strconv.ParseInt(string(installed), 10, 64); err == nil && kib >= 0 && kib < manifests.MaxUnpacked>>10 {
		d.unpacked = kib << 10
	}
	if d.digest, err = verify.ParseDigest("sha256:" + string(sum)); err != nil {
		return d, p.formatError(err)
	}
	return d, nil
}

// formatError returns the error for a bad stanza of p.
func (p *pkg) formatError(err error) error {
	return &manifests.FormatError{Document: p.index.name, Rule: fmt.Sprintf("package %s: %v", p.name, err)}
}
