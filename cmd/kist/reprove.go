package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/download"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/upstreams"
	"github.com/kist-tools/kist/verify"
)

// This file proves what is installed once more: from the evidence that was
// stored with its receipt, by the rules of today, without a network.

// An evidenceError says that an installed release is not proved any more.
type evidenceError struct {
	Release string
	Err     error
}

func (e *evidenceError) Error() string {
	return e.Release + " is not proved any more: " + e.Err.Error()
}
func (e *evidenceError) Unwrap() error { return e.Err }

// A lostEvidenceError says that what would prove a release again is not here, so
// that nothing can be said of it.
type lostEvidenceError struct {
	Release, What string
}

func (e *lostEvidenceError) Error() string {
	return fmt.Sprintf("%s cannot be proved again: %s", e.Release, e.What)
}

// A reproof proves one installed release again.
type reproof struct {
	*app
	*session
	ctx   context.Context // of the one call that it serves
	head  record.Head
	added *channels.Channel // the channel as it is now; nil: built in, or removed
	rules []channels.Rules
	notes []string
}

// reprove returns what is to be said about the proof of an installed release, or
// why there is none any more. Errors match verify.ErrUntrusted, or are a
// *lostEvidenceError.
func (a *app) reprove(ctx context.Context, s *session, head record.Head) (notes []string, err error) {
	r := &reproof{app: a, session: s, ctx: ctx, head: head}
	if r.rules, err = a.rules(s); err != nil {
		return nil, err
	}
	if !isBuiltinChannel(head.Channel) {
		c, err := a.added(s, head.Channel)
		if _, gone := errors.AsType[*channels.UnknownChannelError](err); !gone {
			if err != nil {
				return nil, err
			}
			r.added = &c
		}
	}
	if err := r.prove(); err != nil {
		if lost, ok := errors.AsType[*lostEvidenceError](err); ok {
			return nil, lost
		}
		return nil, &evidenceError{head.Ref(), err}
	}
	slices.Sort(r.notes)
	return slices.Compact(r.notes), nil
}

func (r *reproof) prove() error {
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
	if isDebian(r.head) {
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

// document proves the document that named the release, and what vouches for it.
// It is zero where a checksum database named the release.
func (r *reproof) document(e verify.Evidence) (d verify.Document, err error) {
	switch e.Kind {
	case verify.ByTree:
		return verify.Document{}, r.tree(e)
	case verify.ByDigest:
		if e.Parent == nil {
			return d, fmt.Errorf("%s: %w: nothing vouches for its digest", e.Name, verify.ErrUntrusted)
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

// artifact proves one file that was unpacked: by the document that states its
// digest, or, where its proof is over the file itself, by its copy in the cache.
func (r *reproof) artifact(a record.Artifact, document verify.Document) error {
	e := a.Evidence
	if e.Kind == verify.ByDigest {
		return r.stated(a, document)
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
		h1, err := install.HashZip(r.ctx, r.Child, a.Name, blob.File, a.Size)
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
		_, err := p.File(a.Name, &heeding{blob.File, r.ctx}, proof)
		return err
	})
}

// stated reports whether the proved document states the digest of a: a native
// manifest for this very tool and version, a list anywhere.
func (r *reproof) stated(a record.Artifact, document verify.Document) error {
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

// states reports whether a list holds a digest in hexadecimal.
func states(list verify.Document, d verify.Digest) bool {
	return !d.IsZero() && strings.Contains(strings.ToLower(string(list.Bytes())), d.Hex())
}

// signed has check judge a signature by those who may have made it, in order:
// those who may today, then those who might when it was made.
func (r *reproof) signed(e verify.Evidence, check func(verify.Policy) error) error {
	who, err := r.signers(e)
	if err != nil {
		return err
	}
	var first error
	for _, s := range who {
		// A key that has expired since does not undo an install, a revoked one does.
		err := check(verify.Policy{Keys: s.keys, Threshold: s.threshold, Now: r.now, Use: verify.Release})
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

// tree proves the answers of a checksum database again.
func (r *reproof) tree(e verify.Evidence) error {
	kept, err := r.piece(e.Proof)
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
		if _, failed = db.Replay(e, kept); failed == nil {
			return nil
		}
	}
	return failed
}

// piece reads one piece of evidence.
func (r *reproof) piece(d verify.Digest) ([]byte, error) {
	data, err := r.Evidence(d)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &lostEvidenceError{r.head.Ref(), "no evidence was stored with its receipt, or it was removed"}
	}
	return data, err
}

// archive returns the file that was unpacked, out of the cache.
func (r *reproof) archive(a record.Artifact) (download.Blob, error) {
	blob, err := r.Blob(r.ctx, a)
	if errors.Is(err, fs.ErrNotExist) {
		return blob, &lostEvidenceError{r.head.Ref(), "its signature is over " + a.Name + " itself, which is no longer in the cache"}
	}
	return blob, err
}

// A heeding file ends when its context does.
type heeding struct {
	*os.File
	ctx context.Context
}

func (h *heeding) Read(p []byte) (int, error) {
	if err := h.ctx.Err(); err != nil {
		return 0, err
	}
	return h.File.Read(p)
}
