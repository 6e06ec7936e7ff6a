package debian

import (
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// PackagesIn reads proved indices, as published, and returns a function that reports
// whether they list a file of a package with a digest, in any version. It is for
// proving again what was installed.
func PackagesIn(indices []verify.Document) (func(pkg string, d verify.Digest) bool, error) {
	stanzas := map[string][][]byte{} // by package
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
			stanzas[string(pkg)] = append(stanzas[string(pkg)], s)
		}
	}
	return func(pkg string, d verify.Digest) bool {
		for _, s := range stanzas[pkg] {
			var name, sum []byte
			err := fields(s, wanted{"Package", &name}, wanted{"SHA256", &sum})
			if err == nil && !d.IsZero() && strings.EqualFold(string(sum), d.Hex()) {
				return true
			}
		}
		return false
	}, nil
}
