// Package evidence verifies installed releases again: from the evidence that was stored
// with their receipts, by today's keys and rules, without the network.
//
// A release is proved again if its stored documents are signed by keys that this machine
// trusts today, or trusted when they signed and has not seen revoked since, and if they
// state what the receipt says was unpacked. Whether the installed files are still those
// of the receipt is for install.Installer.Verify to say.
package evidence

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/internal/download"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/debian"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/manifests/upstreams"
	"github.com/kist-tools/kist/verify"
)

// An UnprovedError reports that the stored evidence no longer proves an installed
// release.
type UnprovedError struct {
	Release string
	Err     error
}

func (e *UnprovedError) Error() string {
	return e.Release + " is not proved any more: " + e.Err.Error()
}

func (e *UnprovedError) Unwrap() error { return e.Err }

// A LostError reports that the evidence of a release is missing, so that it can be
// neither proved nor refuted.
type LostError struct {
	Release, What string
}

func (e *LostError) Error() string {
	return fmt.Sprintf("%s cannot be proved again: %s", e.Release, e.What)
}
func (*LostError) Kind() string { return "evidence" }

// A ClosedError reports that this user may not read what would prove a release of another
// user's store, so that it can be neither proved nor refuted.
type ClosedError struct {
	Release, What string
}

func (e *ClosedError) Error() string {
	return fmt.Sprintf("%s cannot be proved again: this user may not read %s", e.Release, e.What)
}
func (*ClosedError) Kind() string { return "permission" }

// A Package is a package of a distribution that an installed release holds.
type Package struct {
	Index           string // location of the proved list that names it
	Source, Version string // its source package, and the version of that
}

// A proof verifies one installed release again.
type proof struct {
	// documents is set if files that no document states are not read again: those that are
	// proved by a signature or a content hash of their own.
	documents bool
	sources   []Package
	ctx       context.Context // of the one call of Prove
	desk      *trust.Desk
	state     *install.Installer
	head      record.Head
	added     *channels.Channel // the channel as it is now; nil: built in, or unknown
	// unknown says why there are no settings of the channel, if it is not built in.
	unknown string
	notes   []string
}

// Prove verifies an installed release again and returns notes about its proof. Errors
// match verify.ErrUntrusted, or are a *LostError or *ClosedError.
func Prove(ctx context.Context, desk *trust.Desk, i *install.Installer, head record.Head) (notes []string, err error) {
	r := &proof{ctx: ctx, desk: desk, state: i, head: head}
	err = r.run()
	return r.notes, err
}

// ProveDocuments is Prove without reading the archives: it verifies the documents that named
// the release and those that prove its archives, in a few milliseconds. Of an archive that is
// proved by a signature over itself, it only checks the keys of its signers by the rules of
// today. It also returns the packages of a distribution's toolchain.
func ProveDocuments(ctx context.Context, desk *trust.Desk, i *install.Installer, head record.Head) (packages []Package, err error) {
	r := &proof{ctx: ctx, desk: desk, state: i, head: head, documents: true}
	err = r.run()
	return r.sources, err
}

func (r *proof) run() error {
	r.unknown = "channel " + r.head.Channel + " was removed"
	if r.desk.State != trust.State(r.state) { // a layer: the settings are the user's own
		r.unknown = "this user has no channel " + r.head.Channel
	} else if owner := r.state.SettingsOf(); owner != "" {
		r.desk, r.unknown = r.desk.WithoutSettings(), "only "+owner+" may read the settings of this store"
		if trust.IsBuiltinChannel(r.head.Channel) {
			r.notes = append(r.notes, r.unknown+": proved by the keys that this kist has")
		}
	}
	if _, err := r.desk.Rules(); err != nil { // says nothing about the release
		return err
	}
	if !trust.IsBuiltinChannel(r.head.Channel) {
		c, err := r.desk.Added(r.head.Channel)
		if _, gone := errors.AsType[*channels.UnknownChannelError](err); !gone {
			if err != nil {
				return err
			}
			r.added = &c
		}
	}
	if !r.head.Expired.IsZero() {
		r.notes = append(r.notes, ExpiredNote(r.head.Expired))
	}
	if err := r.prove(); err != nil {
		r.notes = nil
		if lost, ok := errors.AsType[*LostError](err); ok {
			return lost
		}
		if closed, ok := errors.AsType[*ClosedError](err); ok {
			return closed
		}
		return &UnprovedError{r.head.Ref(), err}
	}
	slices.Sort(r.notes)
	r.notes = slices.Compact(r.notes)
	return nil
}

func (r *proof) prove() error {
	var documents []verify.Document
	for _, e := range append([]verify.Evidence{r.head.Evidence}, r.head.Evidence.Also...) {
		if e.Kind == "" {
			continue
		}
		document, err := r.document(e)
		if err != nil {
			return err
		}
		documents = append(documents, document)
	}
	if debian.IsIndex(r.head.Evidence.Name) {
		return r.packages(documents)
	}
	var document verify.Document
	if len(documents) > 0 {
		document = documents[0]
	}
	for _, a := range r.head.Artifacts {
		if err := r.artifact(a, document); err != nil {
			return fmt.Errorf("%s: %w", a.Name, err)
		}
	}
	return nil
}

// document verifies the document that named the release, and its parents. The
// document is zero if a checksum database named the release.
func (r *proof) document(e verify.Evidence) (d verify.Document, err error) {
	switch e.Kind {
	case verify.ByTree:
		return verify.Document{}, r.tree(e)
	case verify.ByDigest:
		if e.Parent == nil {
			return d, fmt.Errorf("%s: %w: no signed document states its digest", e.Name, verify.ErrUntrusted)
		}
		parent, err := r.document(*e.Parent)
		if err != nil {
			return d, err
		}
		data, err := r.piece(e.Digest)
		if err != nil {
			return d, err
		}
		if !states(parent, e.Digest) {
			return d, fmt.Errorf("%s: %w: %s does not state its digest", e.Name, verify.ErrUntrusted, e.Parent.Name)
		}
		return parent.Child(e.Name, data, e.Digest)
	}
	proof, err := r.piece(e.Proof)
	if err != nil {
		return d, err
	}
	var data []byte
	if e.Kind == verify.ByDetached {
		if data, err = r.piece(e.Digest); err != nil {
			return d, err
		}
	}
	err = r.signed(e, func(p verify.Policy) error {
		if e.Kind == verify.ByClearsigned {
			d, err = p.Clearsigned(e.Name, proof)
		} else {
			d, err = p.Detached(e.Name, data, proof)
		}
		return err
	})
	if err == nil && verify.DigestOf(d.View()) != e.Digest {
		err = &verify.DigestError{Name: e.Name, Want: e.Digest, Got: verify.DigestOf(d.View())}
	}
	return d, err
}

// packages proves the files of a distribution's packages: the proved lists must state
// each by its name and digest.
func (r *proof) packages(lists []verify.Document) error {
	stated, err := debian.PackagesIn(lists)
	if err != nil {
		return err
	}
	for _, a := range r.head.Artifacts {
		one, ok := stated(a.Component, a.Evidence.Digest)
		if a.Evidence.Kind != verify.ByDigest || !ok || a.Evidence.Digest != a.Digest {
			return fmt.Errorf("%s: %w: the proved lists do not state its digest for package %s", a.Name, verify.ErrUntrusted, a.Component)
		}
		r.sources = append(r.sources, Package(one))
	}
	return nil
}

// artifact verifies one unpacked file: by the document that states its digest,
// or, if the signature is over the file itself, by its copy in the cache.
func (r *proof) artifact(a record.Artifact, document verify.Document) error {
	e := a.Evidence
	if e.Kind == verify.ByDigest {
		return r.stated(a, document)
	}
	if r.documents {
		return r.withoutArchive(e)
	}
	blob, err := r.archive(a)
	if err != nil {
		return err
	}
	defer blob.Close()
	if e.Kind == verify.ByTree {
		if err := r.tree(e); err != nil {
			return err
		}
		h1, err := r.state.HashZip(r.ctx, a.Name, blob.File, a.Size)
		if err == nil && h1 != e.Tree.H1 {
			err = &verify.TreeError{Database: e.Tree.Name, Module: e.Name, Rule: fmt.Sprintf("its content hash is %s, and %s was proved", h1, e.Tree.H1)}
		}
		return err
	}
	proof, err := r.piece(e.Proof)
	if err != nil {
		return err
	}
	return r.signed(e, func(p verify.Policy) error {
		_, err := p.File(a.Name, manifests.ContextReader{ReadSeeker: blob.File, Ctx: r.ctx}, proof)
		return err
	})
}

// withoutArchive verifies what can be verified of the evidence of an archive without reading
// it: the answers of a checksum database, or that enough of the keys that signed it still
// count. A key that was revoked since does not.
func (r *proof) withoutArchive(e verify.Evidence) error {
	if e.Kind == verify.ByTree {
		return r.tree(e)
	}
	return r.signed(e, func(p verify.Policy) error { return p.Recheck(e.Name, e.Signers) })
}

// stated checks that the proved document states the digest of a: a native
// manifest for this tool and version, a list of digests anywhere.
func (r *proof) stated(a record.Artifact, document verify.Document) error {
	refused := fmt.Errorf("%w: the proved document does not state its digest for %s %s", verify.ErrUntrusted, r.head.Tool, r.head.Version)
	if document.IsZero() {
		return refused
	}
	m, err := native.Parse(document, r.head.Channel)
	switch {
	case err == nil:
		for _, release := range m.Releases {
			if release.Tool == r.head.Tool && release.Version == r.head.Version && slices.ContainsFunc(release.Artifacts, func(n native.Artifact) bool {
				return n.SHA256 == a.Evidence.Digest && n.SHA256 == a.Digest && n.Platform.Fit(r.head.Platform) > 0
			}) {
				return nil
			}
		}
		return refused
	case r.added != nil && r.added.Format == "native":
		return err
	case states(document, a.Evidence.Digest):
		return nil
	}
	return refused
}

// states reports whether list contains d in hexadecimal.
func states(list verify.Document, d verify.Digest) bool {
	return !d.IsZero() && strings.Contains(strings.ToLower(string(list.Bytes())), d.Hex())
}

// signed calls check with the keys that may have made a signature, in order:
// those trusted today, then those trusted when it was made.
func (r *proof) signed(e verify.Evidence, check func(verify.Policy) error) error {
	sets, err := r.signers(e)
	if err != nil {
		return err
	}
	var first error
	for _, s := range sets {
		// A key that has expired since does not undo an install, a revoked one does.
		err := check(verify.Policy{Keys: s.keys, Threshold: s.threshold, Now: r.desk.Now, Use: verify.Release})
		if err == nil {
			if s.note != "" {
				r.notes = append(r.notes, s.note)
			}
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// tree verifies the stored answers of a checksum database again.
func (r *proof) tree(e verify.Evidence) error {
	answers, err := r.piece(e.Proof)
	if err != nil {
		return err
	}
	u, _ := upstreams.Lookup(r.head.Channel)
	failed := fmt.Errorf("%s: %w: channel %s trusts no checksum database", e.Name, verify.ErrUntrusted, r.head.Channel)
	for _, o := range u.Origins {
		if o.ChecksumDB == "" {
			continue
		}
		db, err := verify.NewChecksumDB(o.ChecksumDB)
		if err != nil {
			return err
		}
		if _, failed = db.Replay(e, answers); failed == nil {
			return nil
		}
	}
	return failed
}

// piece reads one stored piece of evidence.
func (r *proof) piece(d verify.Digest) ([]byte, error) {
	data, err := r.state.Evidence(d)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &LostError{r.head.Ref(), "no evidence was stored with its receipt, or it was removed"}
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, &ClosedError{r.head.Ref(), r.state.EvidencePath(d)}
	}
	return data, err
}

// archive opens the cached copy of an unpacked file.
func (r *proof) archive(a record.Artifact) (download.Blob, error) {
	if r.state.CacheOf() != "" {
		return download.Blob{}, &ClosedError{r.head.Ref(), "the cache of the store, and its signature is over " + a.Name + " itself"}
	}
	blob, err := r.state.Blob(r.ctx, a)
	if errors.Is(err, fs.ErrNotExist) {
		return blob, &LostError{r.head.Ref(), "its signature is over " + a.Name + " itself, which is no longer in the cache"}
	}
	return blob, err
}
