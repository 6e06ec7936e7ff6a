package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"slices"

	"github.com/kist-tools/kist/install/internal/rootfs"
	"github.com/kist-tools/kist/install/internal/sandbox"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/unpack"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// A ReuseError says that an installed release cannot be copied from: it is not
// as it was installed.
type ReuseError struct {
	Release string // channel/tool@version, or the ID where the receipt cannot be read
	Err     error  // which names it
}

func (e *ReuseError) Error() string { return "what is installed was changed: " + e.Err.Error() }
func (e *ReuseError) Unwrap() error { return e.Err }

// A base is an installed release that another one is copied from.
type base struct {
	record.Receipt
	tree  *tree
	reuse []string // components
}

// openBase opens what in is copied from: nil where that is nothing.
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
		b.tree.close()
	}
}

// holds is which of b's artifacts a component is copied from, -1 where it is none.
func (b *base) holds(component string) int {
	if b == nil || !slices.Contains(b.reuse, component) {
		return -1
	}
	return slices.IndexFunc(b.Artifacts, func(have record.Artifact) bool { return have.Component == component })
}

// missing are those of artifacts that are not copied from b.
func (b *base) missing(artifacts []manifests.Artifact) (missing []manifests.Artifact) {
	for _, a := range artifacts {
		if b.holds(a.Component) < 0 {
			missing = append(missing, a)
		}
	}
	return missing
}

// copies copies into prefix those of artifacts that b holds.
func (b *base) copies(ctx context.Context, prefix *sandbox.Unpacker, artifacts []manifests.Artifact) (copied []brought, err error) {
	for _, a := range artifacts {
		at := b.holds(a.Component)
		if at < 0 {
			continue
		}
		if err := b.take(ctx, prefix, 0, a.Component); err != nil {
			return nil, err
		}
		copied = append(copied, brought{a, b.Artifacts[at]})
	}
	return copied, nil
}

// takeRest copies what no component brought, but the files that name them.
func (b *base) takeRest(ctx context.Context, prefix *sandbox.Unpacker) error {
	var listings []string
	for _, l := range b.Listings {
		listings = append(listings, l.Path)
	}
	return b.take(ctx, prefix, math.MaxInt, "", listings...)
}

// take copies what a component brought into prefix, but the files without. order
// is its place among what the prefix is made of.
func (b *base) take(ctx context.Context, prefix *sandbox.Unpacker, order int, component string, without ...string) error {
	needed := map[string]bool{} // directories that something of it lies in
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
	err := prefix.Take(ctx, unpack.Archive{Name: b.Ref(), Component: component, Order: order}, entries, func(p string) (*os.File, error) {
		dir, err := b.tree.dir(path.Dir(p))
		if err != nil {
			return nil, err
		}
		return dir.OpenFile(path.Base(p))
	})
	if errors.Is(err, verify.ErrUntrusted) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, rootfs.ErrNotDir) || errors.Is(err, rootfs.ErrNotRegular) {
		return &ReuseError{b.Ref(), err}
	}
	return err
}
