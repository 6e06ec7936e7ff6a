package debian

import (
	"bytes"
	"strings"

	"github.com/kist-tools/kist/verify"
)

// Stated reads proved indices, as they were published, and returns what they
// state: whether a file of a package has a digest. Any version that is listed
// counts. It is for proving once more what was installed.
func Stated(indices []verify.Document) (func(pkg string, d verify.Digest) bool, error) {
	stated := map[string][]string{} // by package, in hexadecimal
	for _, published := range indices {
		name := published.Evidence().Name
		data := published.View()
		if strings.HasSuffix(name, ".gz") || strings.HasSuffix(name, ".xz") {
			var err error
			if data, err = decodeAll(name[len(name)-3:], data); err != nil {
				return nil, &FormatError{name, err.Error()}
			}
		}
		for {
			var s, pkg, sum []byte
			if s, data = stanza(data); len(s) == 0 {
				break
			}
			if err := fields(s, wanted{"Package", &pkg}, wanted{"SHA256", &sum}); err != nil {
				return nil, &FormatError{name, err.Error()}
			}
			stated[string(pkg)] = append(stated[string(pkg)], string(bytes.ToLower(sum)))
		}
	}
	return func(pkg string, d verify.Digest) bool {
		for _, sum := range stated[pkg] {
			if !d.IsZero() && sum == d.Hex() {
				return true
			}
		}
		return false
	}, nil
}
