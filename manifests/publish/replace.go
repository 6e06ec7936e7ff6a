package publish

import (
	"fmt"
	"path"
	"time"

	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// replace replaces the published document name, of which s has the content and signatures,
// with data and block. signatures/ gets those of both first, so that users whose caches
// mix the old and the new files find the ones that belong to the document they have.
func (d Dir) replace(s state, name string, data, block []byte, now time.Time, old, next []group) error {
	writes, err := s.replacement(name, data, block, now, old, next)
	if err != nil {
		return err
	}
	if s.block != nil && !d.Has(native.SignaturesOf(verify.DigestOf(s.published))) {
		if err := d.putByDigest(s.published, s.block); err != nil {
			return err
		}
	}
	if err := d.putByDigest(data, block); err != nil {
		return err
	}
	for _, w := range writes {
		if err := d.put(w.name, w.data); err != nil {
			return err
		}
	}
	return nil
}

// putSignatures stores the signatures of the published document name, whose content is
// data.
func (d Dir) putSignatures(name string, data, block []byte) error {
	if err := d.putByDigest(data, block); err != nil {
		return err
	}
	return d.put(name+".asc", block)
}

// putByDigest stores the signatures of data in signatures/.
func (d Dir) putByDigest(data, block []byte) error {
	name := native.SignaturesOf(verify.DigestOf(data))
	if err := rootfs.Mkdir(d.Root, path.Dir(name), 0o755); err != nil {
		return err
	}
	return d.put(name, block)
}

type file struct {
	name string
	data []byte
}

// replacement returns the files to write, in this order, to replace the published document
// name and its signatures with data and block. After each write the signatures prove the
// document: while it is replaced, they are those of the old edition and of the new one. If
// a block cannot hold all of them, it has those that the groups old and next need.
func (s state) replacement(name string, data, block []byte, now time.Time, old, next []group) ([]file, error) {
	signatures := name + ".asc"
	if s.block == nil {
		return []file{{signatures, block}, {name, data}}, nil
	}
	both, err := verify.AppendSignature(s.block, block)
	if err != nil {
		before, err := needed(s.block, s.published, now, old)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", signatures, err)
		}
		after, err := needed(block, data, now, next)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", signatures, err)
		}
		if both, err = verify.AppendSignature(before, after); err != nil {
			return nil, fmt.Errorf("%s: %w", signatures, err)
		}
	}
	return []file{{signatures, both}, {name, data}, {signatures, block}}, nil
}
