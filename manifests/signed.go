package manifests

import (
	"context"
	"errors"
	"slices"

	"github.com/kist-tools/kist/verify"
)

// A SignedRef locates a document and its detached signatures. A publisher replaces the
// two files one after the other, and caches may keep them for different times, so what
// arrives may be an old document with new signatures, or the reverse.
type SignedRef struct {
	Ref    string // of the document
	Suffix string // the signatures are at Ref + Suffix
	Limit  int64  // bytes of the document; 0: MaxManifest
	// ByDigest returns the ref of another copy of a document's signatures, named by the
	// SHA-256 digest of the document, so that no other document's signatures replace
	// it. Publishers need not have it. nil: there is none.
	ByDigest func(verify.Digest) (string, error)
}

// Read fetches the document and its signatures, and calls check with them; sig is nil
// if there is no signature file. If check returns a *verify.SignatureError although there
// are signatures, Read fetches those at ByDigest and calls check with them. If that fails
// too, Read waits as t does before a retry, and does all of it once more with
// WithoutCaches. It returns the last error of check, *TooLargeError, or an error of t;
// what is wrong with the signatures at ByDigest does not matter.
func (s SignedRef) Read(ctx context.Context, t Transport, check func(data, sig []byte) error) error {
	again, err := s.readOnce(ctx, t, check)
	if !isUnproved(err) || AvoidsCaches(ctx) {
		return err
	}
	if again != nil {
		if err := again(ctx, 0, err); err != nil {
			return err
		}
	}
	first := err
	if _, err = s.readOnce(WithoutCaches(ctx), t, check); errors.Is(err, ErrUnreachable) && ctx.Err() == nil {
		return first // what was refused matters more
	}
	return err
}

// readOnce is Read without the repetition. again waits as Answer.Again does; it may be nil.
func (s SignedRef) readOnce(ctx context.Context, t Transport, check func(data, sig []byte) error) (again func(context.Context, int, error) error, err error) {
	limit := s.Limit
	if limit == 0 {
		limit = MaxManifest
	}
	data, a, err := readPlain(ctx, t, s.Ref, limit)
	if err != nil {
		return nil, err
	}
	sig, missing := ReadAll(ctx, t, s.Ref+s.Suffix, MaxSignature)
	denied := errors.Is(missing, ErrDenied)
	if missing != nil && !denied && !errors.Is(missing, ErrNotFound) {
		return nil, missing
	}
	err = check(data, sig)
	if !isUnproved(err) {
		return nil, err
	}
	if _, unreadable := verify.Claims(sig, nil); unreadable == nil {
		if own := s.readByDigest(ctx, t, verify.DigestOf(data)); own != nil && check(data, own) == nil {
			return nil, nil
		}
	}
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case denied:
		err = missing
	}
	return a.Again, err
}

// readByDigest returns the signatures at ByDigest, or nil if there are none to be had.
func (s SignedRef) readByDigest(ctx context.Context, t Transport, d verify.Digest) []byte {
	if s.ByDigest == nil {
		return nil
	}
	ref, err := s.ByDigest(d)
	if err != nil {
		return nil
	}
	sig, err := ReadAll(ctx, t, ref, MaxSignature)
	if err != nil {
		return nil
	}
	return sig
}

// isUnproved reports whether signatures do not prove a document.
func isUnproved(err error) bool { return errors.As(err, new(*verify.SignatureError)) }

// ReadSigned reads s and verifies the document by policy. Errors are those of t,
// *TooLargeError and *verify.SignatureError, which also reports that there is no
// signature file. It is within a *MismatchError if the signatures are of other content.
func ReadSigned(ctx context.Context, t Transport, s SignedRef, policy verify.Policy) (d verify.Document, err error) {
	name := Redact(s.Ref)
	err = s.Read(ctx, t, func(data, sig []byte) (err error) {
		if sig == nil {
			return policy.Unsigned(name)
		}
		d, err = policy.DetachedNoCopy(name, data, sig)
		return ExplainMismatch(err, data, sig, policy.Keys)
	})
	return d, err
}

// A MismatchError reports that a document and the signatures that were fetched with it
// do not belong together: a cache keeps an earlier edition of one of them, or somebody
// changed one.
type MismatchError struct{ Err error } // the *verify.SignatureError

func (e *MismatchError) Error() string {
	return e.Err.Error() + "; the signature belongs to another edition of this file: a cache on the way may be out of step, or the file was changed"
}
func (e *MismatchError) Unwrap() error { return e.Err }

// ExplainMismatch returns err, as a *MismatchError if it is a *verify.SignatureError and
// sig has a signature that claims to be by a key of ring, but none over data. That proves
// nothing: it only chooses between two texts.
func ExplainMismatch(err error, data, sig []byte, ring *verify.Keyring) error {
	if !isUnproved(err) || ring == nil {
		return err
	}
	claims, unreadable := verify.Claims(sig, data)
	if unreadable != nil || slices.ContainsFunc(claims, func(c verify.Claim) bool { return c.Fits }) ||
		!slices.ContainsFunc(claims, func(c verify.Claim) bool { return c.NamesKeyOf(ring) }) {
		return err
	}
	return &MismatchError{err}
}

type withoutCachesKey struct{}

// WithoutCaches returns a context that makes a Transport ask the caches on the way for
// answers that the origin has confirmed: Cache-Control: no-cache, RFC 9111, section
// 5.2.1.4. Many caches do not obey.
func WithoutCaches(ctx context.Context) context.Context {
	return context.WithValue(ctx, withoutCachesKey{}, true)
}

// AvoidsCaches reports whether ctx is from WithoutCaches.
func AvoidsCaches(ctx context.Context) bool {
	avoids, _ := ctx.Value(withoutCachesKey{}).(bool)
	return avoids
}
