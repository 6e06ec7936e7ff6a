package publish

import (
	"cmp"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/verify"
)

// A PublishedDocument is a document that users fetch, or the signatures of one.
type PublishedDocument struct {
	Path string // below the directory of the channel
	Data []byte
}

// maxKeyVersions is the ceiling on the versions of the keys document that are published.
const maxKeyVersions = 4096

// Published returns the documents that users fetch: the manifest, the newest keys document
// and every earlier one, each followed by its signatures. manifest is the digest of the
// manifest that Verify accepted; if there is another one by now, the error matches
// verify.ErrUntrusted.
func (d Dir) Published(manifest verify.Digest) (list []PublishedDocument, err error) {
	add := func(name string, limit int64) (found bool, err error) {
		for _, file := range []string{name, name + ".asc"} {
			data, err := d.read(file, limit)
			if err != nil || data == nil {
				return false, err
			}
			list, limit = append(list, PublishedDocument{file, data}), manifests.MaxSignature
		}
		return true, nil
	}
	if found, err := add(ManifestFile, manifests.MaxManifest); err != nil || !found {
		return nil, cmp.Or(err, error(ErrNoChannel))
	}
	if got := verify.DigestOf(list[0].Data); got != manifest {
		return nil, &verify.DigestError{Name: ManifestFile, Want: manifest, Got: got}
	}
	if _, err := add(RotationFile, native.MaxKeysFile); err != nil {
		return nil, err
	}
	for n := uint64(1); n <= maxKeyVersions; n++ {
		found, err := add(native.KeysFileOf(n), native.MaxKeysFile)
		if err != nil {
			return nil, err
		}
		if !found {
			return list, nil
		}
	}
	return nil, &manifests.TooLargeError{Name: "versions of keys.toml", Limit: maxKeyVersions}
}
