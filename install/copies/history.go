package copies

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"path"
	"slices"

	"github.com/kist-tools/kist/install/internal/download"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/verify"
)

// This file collects what clients need that last asked earlier, or elsewhere: the way
// from the keys, or from the tree head, that they know to the newest.

// keepKeys collects the keys documents of a native channel, which lead clients from the
// keys that they know to the newest.
func (c *collector) keepKeys(ctx context.Context, b trust.Binding) error {
	source, version, ok, err := c.by.Desk.OriginalKeys(b)
	if err != nil || !ok {
		return err
	}
	begun := false
	for n := uint64(1); n <= version; n++ {
		err := c.ask(func() error {
			next, err := source.ReadVersion(ctx, c.tap, n, c.by.Now)
			if err == nil {
				source, begun = next, true
			}
			return err
		})
		if begun && errors.Is(err, verify.ErrUntrusted) {
			return err
		}
		// Versions before the one that the user's keys prove are not copied.
		if err != nil && !errors.Is(err, manifests.ErrNotFound) && !errors.Is(err, manifests.ErrDenied) && !errors.Is(err, verify.ErrUntrusted) {
			return err
		}
	}
	return nil
}

// keepCopies collects the copies of the signatures of a native channel's documents, which
// clients ask for if a cache has mixed up two editions. A channel need not have them.
func (c *collector) keepCopies(ctx context.Context, b trust.Binding) error {
	source, ok := b.Source.(native.Source)
	if !ok {
		return nil
	}
	for _, document := range []string{path.Base(source.URL), native.KeysFile} {
		ref, err := manifests.Join(source.URL, document)
		if err != nil {
			return err
		}
		name, err := Name(ref)
		if err != nil {
			return err
		}
		have, ok := c.docs[name]
		if !ok {
			continue
		}
		if ref, err = manifests.Join(source.URL, native.SignaturesOf(have.Digest)); err != nil {
			return err
		}
		err = c.ask(func() error {
			sig, err := manifests.ReadAll(ctx, c.tap, ref, manifests.MaxSignature)
			if err != nil {
				return err
			}
			data, err := rootfs.ReadFile(c.store.Documents, download.BlobFile(have.Digest), have.Size)
			if err != nil {
				return err
			}
			_, err = source.CheckKeys(c.by.Now).Detached(manifests.Redact(ref), data, sig)
			return err
		})
		if err != nil && !errors.Is(err, manifests.ErrNotFound) && !errors.Is(err, manifests.ErrDenied) && !errors.Is(err, verify.ErrUntrusted) {
			return err
		}
	}
	return nil
}

// A loggedRelease is a release that a checksum database proves, and the request for it.
type loggedRelease struct {
	channel trust.Binding
	request manifests.Request
}

// keepHeads collects what clients need that know another tree head of a checksum database
// than kist does here: the proof of each release in every tree that this mirror shows or
// has shown, and that the newer trees extend the older ones. Answers for different
// releases may come with different heads.
func (c *collector) keepHeads(ctx context.Context) error {
	ask := func(l loggedRelease, last verify.Mark) (catalog manifests.Catalog, err error) {
		err = c.ask(func() error {
			catalog, err = l.channel.Source.Fetch(ctx, c.tap, manifests.Query{Request: l.request, Now: c.by.Now, Last: last})
			return err
		})
		return catalog, err
	}
	for _, l := range c.logged {
		catalog, err := ask(l, verify.Mark{})
		if err != nil {
			return err
		}
		m := catalog.Mark()
		if len(m.Head) > 0 && !slices.ContainsFunc(c.heads, func(have verify.Mark) bool { return bytes.Equal(have.Head, m.Head) }) {
			c.heads = append(c.heads, verify.Mark{Channel: l.channel.Name, Serial: m.Serial, Digest: m.Digest, Head: m.Head})
		}
	}
	slices.SortFunc(c.heads, func(a, b verify.Mark) int { return cmp.Compare(a.Serial, b.Serial) })
	c.heads = c.heads[max(0, len(c.heads)-MaxHeads):]
	for _, l := range c.logged {
		for _, head := range c.heads {
			if head.Channel != l.channel.Name {
				continue
			}
			if _, err := ask(l, head); err != nil {
				return err
			}
		}
	}
	return nil
}
