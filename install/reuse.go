package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"

	"github.com/kist-tools/kist/install/internal/fetch"
	"github.com/kist-tools/kist/install/internal/sandbox"
	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// A ReuseError reports that nothing can be copied from an installed release, because
// it was changed since it was installed.
type ReuseError struct {
	Release string // channel/tool@version, or the ID if the receipt cannot be read
	Err     error  // names the release
}

func (e *ReuseError) Error() string { return "the installed copy was changed: " + e.Err.Error() }

// Kind returns "" if the cause is no drift, but a receipt or directory to be refused: then
// the cause has the kind.
func (e *ReuseError) Kind() string {
	cause, _ := errors.AsType[interface {
		error
		Kind() string
	}](e.Err)
	if cause != nil && slices.Contains([]string{"refused", "failed", "permission"}, cause.Kind()) {
		return ""
	}
	return "drift"
}
func (e *ReuseError) Unwrap() error { return e.Err }

// A base is an installed release from which components are copied.
type base struct {
	record.Receipt
	tree  *tree
	reuse []string // components to copy
}

// openBase opens the base of in, nil if it has none.
func (i *Installer) openBase(in plan.Install) (*base, error) {
	if in.Base == "" {
		return nil, nil
	}
	r, err := i.Receipt(in.Base)
	if err != nil {
		return nil, &ReuseError{string(in.Base), err}
	}
	t, err := i.openTree(r)
	if err != nil {
		return nil, &ReuseError{r.Ref(), fmt.Errorf("%s: %w", r.Ref(), err)}
	}
	return &base{r, t, in.Reuse}, nil
}

func (b *base) close() {
	if b != nil {
		b.tree.Close()
	}
}

// artifactIndex returns the index of the artifact of b from which a component is copied,
// or -1 if it is not copied.
func (b *base) artifactIndex(component string) int {
	if b == nil || !slices.Contains(b.reuse, component) {
		return -1
	}
	return slices.IndexFunc(b.Artifacts, func(have record.Artifact) bool { return have.Component == component })
}

// missing returns the artifacts that are not copied from b.
func (b *base) missing(artifacts []manifests.Artifact) (missing []manifests.Artifact) {
	for _, a := range artifacts {
		if b.artifactIndex(a.Component) < 0 {
			missing = append(missing, a)
		}
	}
	return missing
}

// copyArtifacts copies the artifacts that b holds into prefix, and returns them.
func (b *base) copyArtifacts(ctx context.Context, prefix *sandbox.Unpacker, artifacts []manifests.Artifact) (copied []fetch.Artifact, err error) {
	for _, a := range artifacts {
		at := b.artifactIndex(a.Component)
		if at < 0 {
			continue
		}
		if err := b.copyComponent(ctx, prefix, 0, a.Component); err != nil {
			return nil, err
		}
		copied = append(copied, fetch.Artifact{Artifact: a, Record: b.Artifacts[at]})
	}
	return copied, nil
}

// copyRest copies the files that belong to no component, except the listings of components.
func (b *base) copyRest(ctx context.Context, prefix *sandbox.Unpacker) error {
	var listings []string
	for _, l := range b.Listings {
		listings = append(listings, l.Path)
	}
	return b.copyComponent(ctx, prefix, math.MaxInt, "", listings...)
}

// copyComponent copies the files of a component into prefix, except those in without.
// order is its position among the archives of the prefix.
func (b *base) copyComponent(ctx context.Context, prefix *sandbox.Unpacker, order int, component string, without ...string) error {
	needed := map[string]bool{} // directories that contain files of the component
	for _, e := range b.Entries {
		if e.Component == component && !slices.Contains(without, e.Path) {
			for dir := path.Dir(e.Path); dir != "." && !needed[dir]; dir = path.Dir(dir) {
				needed[dir] = true
			}
		}
	}
	var entries []record.Entry
	for _, e := range b.Entries {
		if e.Component == component && !slices.Contains(without, e.Path) || needed[e.Path] {
			entries = append(entries, e)
		}
	}
	err := prefix.CopyFrom(ctx, unpack.Archive{Name: b.Ref(), Component: component, Order: order}, entries, b.tree.open)
	if errors.Is(err, verify.ErrUntrusted) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, rootfs.ErrNotDir) || errors.Is(err, rootfs.ErrNotRegular) {
		return &ReuseError{b.Ref(), err}
	}
	return err
}
