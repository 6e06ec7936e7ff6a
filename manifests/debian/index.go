package debian

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// maxPackages is how many stanzas the indices of a channel may have together;
// those of trixie's main have some 69,000.
const maxPackages = 1 << 20

// An archive is the newest version of each package that some indices hold.
type archive struct {
	arch     string // dpkg's name of the architecture
	packages map[string]*pkg
	indices  []*index // in the order in which they were added
	// providing are the packages that provide others, with the text of the field.
	providing []providing
	provided  map[string][]provision // as far as it was asked for
	stanzas   int
	spare     []pkg
}

// A pkg is one version of one package. What is not needed to find it is read from
// its stanza when it is.
type pkg struct {
	name    string
	version []byte // of the stanza
	stanza  []byte
	index   *index
}

// is names p with its version.
func (p *pkg) is() string { return p.name + " " + string(p.version) }

type providing struct {
	by    *pkg
	value []byte
}

type provision struct {
	by      *pkg
	version string // empty: none is stated
}

func newArchive(arch string) *archive {
	return &archive{arch: arch, packages: map[string]*pkg{}, provided: map[string][]provision{}}
}

// An index is one proved list of packages.
type index struct {
	name     string          // for people
	root     string          // URL of the archive, ending in a slash, below which its files are
	suite    string          // that it belongs to
	evidence verify.Evidence // of the list as it is published
}

// add reads a list of packages, the whole of it. Where a package was there
// already, the higher version stays, and of two that are equal the first.
func (a *archive) add(x *index, d verify.Document) error {
	a.indices = append(a.indices, x)
	data := d.View()
	if a.stanzas == 0 { // room for all of them, as long as stanzas usually are
		a.packages = make(map[string]*pkg, len(data)/700)
	}
	fail := func(err error) error { return &FormatError{x.name, err.Error()} }
	if err := plain(data); err != nil {
		return fail(err)
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
			return fail(err)
		}
	}
}

func (a *archive) addStanza(x *index, s []byte) error {
	if len(s) > maxStanza {
		return fmt.Errorf("a stanza of %d bytes, over the limit of %d", len(s), maxStanza)
	}
	var name, version, arch, provides []byte
	err := fields(s, wanted{"Package", &name}, wanted{"Version", &version}, wanted{"Architecture", &arch}, wanted{"Provides", &provides})
	if err != nil {
		return fmt.Errorf("package %.60q: %w", name, err)
	}
	if !validPackage(name) {
		return fmt.Errorf("package %.60q: not the name of one", name)
	}
	if err := validVersion(version); err != nil {
		return fmt.Errorf("package %s: %w", name, err)
	}
	if string(arch) != "all" && string(arch) != a.arch {
		return fmt.Errorf("package %s: architecture %.60q in an index of %s", name, arch, a.arch)
	}
	have := a.packages[string(name)]
	if have != nil && Compare(string(have.version), string(version)) >= 0 {
		return nil
	}
	p := a.pkg()
	*p = pkg{name: string(name), version: version, stanza: s, index: x}
	a.packages[p.name] = p
	if len(provides) > 0 {
		a.providing = append(a.providing, providing{p, provides})
	}
	return nil
}

// pkg is a new one, of a block of them: there are very many.
func (a *archive) pkg() *pkg {
	if len(a.spare) == 0 {
		a.spare = make([]pkg, 1024)
	}
	p := &a.spare[0]
	a.spare = a.spare[1:]
	return p
}

// providers are the packages that provide name, in the order of their names.
func (a *archive) providers(name string) ([]provision, error) {
	if list, known := a.provided[name]; known {
		return list, nil
	}
	var list []provision
	for _, p := range a.providing {
		if a.packages[p.by.name] != p.by || !bytes.Contains(p.value, []byte(name)) {
			continue
		}
		clauses, err := parseRelations(string(p.value))
		if err != nil {
			return nil, p.by.fault(err)
		}
		for _, c := range clauses {
			if len(c) > 1 || c[0].op != "" && c[0].op != "=" {
				return nil, p.by.fault(fmt.Errorf("it provides %q", c))
			}
			if c[0].name == name {
				list = append(list, provision{p.by, c[0].other})
			}
		}
	}
	a.provided[name] = list
	return list, nil
}

// details are what a stanza says beyond the name and the version.
type details struct {
	multiArch string
	depends   []clause // Pre-Depends and Depends
	filename  string   // below the archive's root
	size      int64
	unpacked  int64 // as the package estimates it, 0 if it does not
	digest    verify.Digest
}

func (p *pkg) details() (details, error) {
	var multiArch, pre, depends, filename, size, installed, sum []byte
	err := fields(p.stanza, wanted{"Multi-Arch", &multiArch}, wanted{"Pre-Depends", &pre}, wanted{"Depends", &depends},
		wanted{"Filename", &filename}, wanted{"Size", &size}, wanted{"Installed-Size", &installed}, wanted{"SHA256", &sum})
	if err != nil {
		return details{}, p.fault(err)
	}
	d := details{multiArch: string(multiArch), filename: string(filename)}
	for _, value := range [][]byte{pre, depends} {
		clauses, err := parseRelations(string(value))
		if err != nil {
			return d, p.fault(err)
		}
		d.depends = append(d.depends, clauses...)
	}
	if _, err := manifests.Join(p.index.root, d.filename); err != nil || !strings.HasSuffix(d.filename, ".deb") {
		return d, p.fault(fmt.Errorf("file name %.120q is not that of a .deb below the archive", filename))
	}
	if d.size, err = strconv.ParseInt(string(size), 10, 64); err != nil || d.size <= 0 {
		return d, p.fault(fmt.Errorf("size %.40q", size))
	}
	if kib, err := strconv.ParseInt(string(installed), 10, 64); err == nil && kib >= 0 && kib < manifests.MaxUnpacked>>10 {
		d.unpacked = kib << 10
	}
	if d.digest, err = verify.ParseDigest("sha256:" + string(sum)); err != nil {
		return d, p.fault(err)
	}
	return d, nil
}

// fault is the error for what a stanza says.
func (p *pkg) fault(err error) error {
	return &FormatError{p.index.name, fmt.Sprintf("package %s: %v", p.is(), err)}
}
