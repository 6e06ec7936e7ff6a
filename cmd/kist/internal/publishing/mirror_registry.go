package publishing

import (
	"context"
	"path"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/mirrortext"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/bundles"
	"github.com/kist-tools/kist/install/mirror"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/bundle"
)

// syncRegistry makes the tag that ref names lead to a mirror of what wish names.
func (a *verbs) syncRegistry(ctx context.Context, ref string, wish mirror.Wish) (r cli.Result, err error) {
	to, err := manifests.ParseRegistryRef(ref)
	switch {
	case err != nil || to.File != "" || !to.Digest.IsZero():
		return nil, failure.Usage("mirror sync: %s: want oci://REGISTRY/REPOSITORY, or that with a colon and a tag", manifests.Redact(ref))
	case wish.Prune || wish.URL != "":
		return nil, failure.Usage("mirror sync: a mirror in a registry has no --url, and holds only what is named: it needs no --prune")
	case len(wish.Tools)+len(wish.Locked) == 0:
		return nil, failure.Usage("mirror sync: for a mirror in a registry, name the tools, or give --locked")
	case a.Flags.Offline:
		return nil, manifests.ErrOffline
	}
	registry, err := a.Registry()
	if err != nil {
		return nil, err
	}
	at := bundles.Registry{To: registry.Repository(to), Tag: to.Tag}
	earlier, err := at.Earlier(ctx)
	if err != nil {
		return nil, err
	}
	return r, a.collect(ctx, wish.Wish, earlier, func(d bundles.Draft) error {
		done, err := at.Push(ctx, d, earlier, a.showUpload())
		if err == nil {
			r = mirrortext.NewPushed(to, d, done)
		}
		return err
	})
}

// showUpload returns what shows how much of a file was sent.
func (a *verbs) showUpload() func(f bundle.File, sent int64) {
	show := a.Progress()
	if show == nil {
		return func(bundle.File, int64) {}
	}
	return func(f bundle.File, sent int64) {
		name := f.Digest.Hex()
		if len(f.URLs) > 0 {
			name = f.URLs[0]
		}
		show(install.Progress{Stage: term.Upload, Name: name, Label: path.Base(name), Done: sent, Total: f.Size})
	}
}
