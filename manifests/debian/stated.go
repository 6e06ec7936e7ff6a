package debian

import (
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// A Stated is what an index states about a package.
type Stated struct {
	Index           string // its name, the location that it was read from
	Source, Version string // the source package and its version
}

// PackagesIn reads proved indices, as published, and returns a function that reports
// whether they list a file of a package with a digest, in any version, and what they say
// about it. It is for proving again what was installed.
func PackagesIn(indices []verify.Document) (func(pkg string, d verify.Digest) (Stated, bool), error) {
	type listed struct {
		index  string
		stanza []byte
	}
	stanzas := map[string][]listed{} // by package
	for _, published := range indices {
		name := published.Evidence().Name
		data := published.View()
		if strings.HasSuffix(name, ".gz") || strings.HasSuffix(name, ".xz") {
			var err error
			if data, err = decodeAll(name[len(name)-3:], data); err != nil {
				return nil, &manifests.FormatError{Document: name, Rule: err.Error()}
			}
		}
		for {
			var s []byte
			if s, data = stanza(data); len(s) == 0 {
				break
			}
			pkg, err := packageOf(s)
			if err != nil {
				return nil, &manifests.FormatError{Document: name, Rule: err.Error()}
			}
			stanzas[string(pkg)] = append(stanzas[string(pkg)], listed{name, s})
		}
	}
	return func(pkg string, d verify.Digest) (Stated, bool) {
		for _, l := range stanzas[pkg] {
			var name, sum, source, version []byte
			err := fields(l.stanza, wanted{"Package", &name}, wanted{"SHA256", &sum}, wanted{"Source", &source}, wanted{"Version", &version})
			if err == nil && !d.IsZero() && strings.EqualFold(string(sum), d.Hex()) {
				return stated(l.index, pkg, string(source), string(version)), true
			}
		}
		return Stated{}, false
	}, nil
}

// stated returns the source of a package, from its fields Source, such as "gcc-12 (12.2.0-14)"
// or absent, and Version. Source: Debian Policy 5.6.1.
func stated(index, pkg, source, version string) Stated {
	s := Stated{index, pkg, version}
	if source != "" {
		name, rest, ok := strings.Cut(source, " (")
		s.Source = strings.TrimSpace(name)
		if own, closed := strings.CutSuffix(strings.TrimSpace(rest), ")"); ok && closed {
			s.Version = own
		}
	}
	return s
}
