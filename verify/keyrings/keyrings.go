// Package keyrings holds the OpenPGP keys of the upstreams that kist knows
// without being told, one folder per upstream with the provenance of each key
// beside it, and the pins that say which of them count.
//
// The files are only the material; trust comes from the pins, which name each
// primary key and each signing subkey by its full fingerprint. A key is changed
// here by a release of kist, never by what an upstream serves.
package keyrings

import (
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"github.com/kist-tools/kist/verify"
)

//go:embed */*.asc
var files embed.FS

// Lookup returns the keyring of an upstream. An unknown name is an error; see
// Names.
func Lookup(upstream string) (*verify.Keyring, error) {
	wanted, ok := pins[upstream]
	if !ok {
		return nil, fmt.Errorf("no keys of an upstream %q are built in", upstream)
	}
	var certificates [][]byte
	for _, pin := range wanted {
		data, err := fs.ReadFile(files, upstream+"/"+string(pin.Primary)+".asc")
		if err != nil {
			return nil, fmt.Errorf("keys of %s: %w", upstream, err)
		}
		certificates = append(certificates, data)
	}
	ring, err := verify.NewKeyring(wanted, certificates...)
	if err != nil {
		return nil, fmt.Errorf("keys of %s: %w", upstream, err)
	}
	return ring, nil
}

// Names returns the upstreams whose keys are built in, in alphabetical order.
func Names() []string { return slices.Sorted(maps.Keys(pins)) }
