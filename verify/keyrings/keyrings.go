// Package keyrings holds the OpenPGP keys of the built-in upstreams: one folder per
// upstream with its keys and their provenance, and the pins that select the trusted
// ones.
//
// The key files alone give no trust. The pins do: they name each primary key and
// each signing subkey by its full fingerprint. Only a release of kist changes a
// built-in key; nothing that an upstream serves does.
package keyrings

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"

	"github.com/kist-tools/kist/verify"
)

//go:embed */*.asc
var files embed.FS

// Lookup returns the keyring of a built-in upstream, one of Names. Any other name is
// an error.
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

// Placeholders returns those keys of ring that nobody can sign with: they stand where the
// release keys of kist itself will be. A release of kist has none.
func Placeholders(ring *verify.Keyring) (keys []verify.Fingerprint) {
	for _, pin := range ring.Pins() {
		if slices.Contains(placeholders, pin.Primary) {
			keys = append(keys, pin.Primary)
		}
	}
	return keys
}
