package native

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/internal/tomldoc"
	"github.com/kist-tools/kist/verify"
)

// MaxSteps is how many versions of the keys document one Rotate may advance.
const MaxSteps = 64

// An Edition identifies the keys document that a channel's keys come from. The zero
// Edition means that the user supplied the keys. Its KeysMark has no Restart unless
// Rotate accepted a document that sets one.
type Edition struct {
	verify.KeysMark
	Issued  time.Time `toml:"issued"`
	Expires time.Time `toml:"expires"`
	// Revoked are the keys that this document or an earlier one has revoked, and that
	// must never count again.
	Revoked []verify.Fingerprint `toml:"revoked,omitempty"`
}

// fresh returns a *verify.ExpiredError if e is not valid now, by the rules for
// manifests. The zero Edition is always valid.
func (e Edition) fresh(channel string, now time.Time) error {
	if e.Version == 0 {
		return nil
	}
	err := verify.Mark{Channel: channel, Issued: e.Issued, Expires: e.Expires}.Fresh(now)
	if expired, ok := errors.AsType[*verify.ExpiredError](err); ok {
		expired.Rule = fmt.Sprintf("version %d of its keys: %s", e.Version, expired.Rule)
	}
	return err
}

// A signedFile is a document with its signatures, not yet verified.
type signedFile struct {
	name      string // its redacted URL
	data, sig []byte
	answered  bool // the server sent something as its signatures, perhaps an empty file
}

// isNonsense reports whether the signature file of f contains no signature. Such a
// server answers every request with some content, so further requests are useless.
func (f signedFile) isNonsense() bool {
	return f.answered && !bytes.Contains(f.sig, []byte("-----BEGIN PGP SIGNATURE-----"))
}

// fits reports whether a signature of f is over its bytes, by the part of their digest
// that it states. It needs no key and proves nothing.
func (f signedFile) fits() bool {
	claims, err := verify.Claims(f.sig, f.data)
	return err == nil && slices.ContainsFunc(claims, func(c verify.Claim) bool { return c.Fits })
}

// isFiller reports whether f is not a keys document and its signatures are not
// signatures: an empty answer, or a text or JSON that says that the file is missing.
func (f signedFile) isFiller() bool {
	says := f.says()
	return f.isNonsense() && says["channel"] == nil && says["version"] == nil
}

// says returns what f states before its first table, or nil if it cannot be read.
// Nothing of it is verified.
func (f signedFile) says() map[string]any {
	for head := range tomldoc.Split(f.data) {
		says, err := tomldoc.Decode(head.Text, partLimits)
		if err != nil {
			return nil
		}
		return says
	}
	return nil
}

// Rotate updates the channel's keys from those that s trusts, through every later
// keys document, to the newest one, which must be valid now. It returns s with the
// newest keys, and the documents that it accepted, oldest first. If the channel has
// no keys document and none was ever seen, Rotate returns s unchanged.
//
// With the zero Edition, Rotate starts at the newest document that the user's keys
// verify. From then on each version must directly follow the one before, and be
// signed by the threshold of both. A web page instead of a keys document, or
// an answer that is neither a keys document nor signed, counts as absent only if no
// keys document was ever seen. Errors match verify.ErrUntrusted or verify.ErrStale,
// or are those of t. Documents that were accepted before an error,
// or have expired, are returned with it, because they were verified. The caller must
// store them before anything else, so that no server can withhold them later.
func (s Source) Rotate(ctx context.Context, t manifests.Transport, now time.Time) (Source, []*Keys, error) {
	newest, err := s.readKeys(ctx, t, KeysFile)
	if isPage(err) && s.Edition.Version == 0 {
		return s, nil, nil
	}
	if absent(err) {
		if s.Edition.Version > 0 {
			return s, nil, &verify.RotationError{Channel: s.Channel, Have: s.Edition.Version}
		}
		return s, nil, nil
	}
	if err != nil {
		return s, nil, err
	}
	var accepted []*Keys
	if s.Edition.Version == 0 {
		if newest.isFiller() {
			return s, nil, nil
		}
		if s, accepted, err = s.start(ctx, t, newest, now); err != nil {
			return s, nil, err
		}
	}
	mayRefetch := true // a cache may keep an earlier keys.toml than the files in keys/
	for n, last := s.Edition.Version+1, s.Edition.Version+MaxSteps; n <= last; n++ {
		next, keys, err := s.Next(newest.name, newest.data, newest.sig, now)
		if err == nil {
			if keys != nil {
				accepted = append(accepted, keys)
			}
			return next, accepted, next.Edition.fresh(s.Channel, now)
		}
		if !mayBeReachable(err) || newest.isNonsense() {
			return s, accepted, err
		}
		step, missing := s.readKeys(ctx, t, KeysFileOf(n))
		if absent(missing) || isPage(missing) {
			if !mayRefetch && isPage(missing) {
				return s, accepted, missing
			}
			if !mayRefetch {
				return s, accepted, s.explainRefusal(newest, err)
			}
			mayRefetch = false
			if newest, err = s.readKeys(manifests.WithoutCaches(ctx), t, KeysFile); err != nil {
				return s, accepted, err
			}
			n--
			continue
		}
		if missing != nil {
			return s, accepted, missing
		}
		if s, keys, err = s.acceptVersion(step, n, now); err != nil {
			return s, accepted, err
		}
		accepted = append(accepted, keys)
	}
	return s, accepted, fmt.Errorf("channel %s: %w: its newest keys document was not reached within %d versions", s.Channel, verify.ErrUntrusted, MaxSteps)
}

// ReadVersion fetches version n of the keys document, and returns s with its keys. A
// client that knows only earlier keys needs every version between. The error matches
// manifests.ErrNotFound if the channel does not serve that version, and
// verify.ErrUntrusted if the keys of s do not prove it.
func (s Source) ReadVersion(ctx context.Context, t manifests.Transport, n uint64, now time.Time) (Source, error) {
	f, err := s.readKeys(ctx, t, KeysFileOf(n))
	if err != nil {
		return s, err
	}
	next, _, err := s.acceptVersion(f, n, now)
	return next, err
}

// explainRefusal returns the error for the newest document f, which s refused with
// err. It is a *verify.RotationError if the keys of s did not sign f and f states an
// earlier version, as a document signed by keys that were replaced since does. The
// statement is not verified, but it only chooses between two refusals.
func (s Source) explainRefusal(f signedFile, err error) error {
	if _, unproved := errors.AsType[*verify.SignatureError](err); !unproved {
		return err
	}
	says := f.says()
	version, ok := says["version"].(int64)
	if ok && says["channel"] == s.Channel && version > 0 && uint64(version) < s.Edition.Version {
		return &verify.RotationError{Channel: s.Channel, Have: s.Edition.Version, Got: uint64(version)}
	}
	return err
}

// start returns s with the newest document that the user's keys verify. It is newest,
// or one of the earlier versions that the channel still serves.
func (s Source) start(ctx context.Context, t manifests.Transport, newest signedFile, now time.Time) (best Source, accepted []*Keys, err error) {
	next, keys, unproved := s.Next(newest.name, newest.data, newest.sig, now)
	if unproved == nil {
		return next, []*Keys{keys}, nil
	}
	if newest.isNonsense() {
		return s, nil, unproved
	}
	for n := uint64(1); n <= MaxSteps; n++ {
		f, err := s.readKeys(ctx, t, KeysFileOf(n))
		if absent(err) || isPage(err) {
			break
		}
		if err != nil {
			return s, nil, err
		}
		if f.isNonsense() {
			break
		}
		next, keys, err := s.acceptVersion(f, n, now)
		if err == nil {
			best, accepted = next, []*Keys{keys}
		} else if !mayBeReachable(err) {
			return s, nil, err
		}
	}
	if accepted == nil {
		return s, nil, unproved
	}
	return best, accepted, nil
}

// acceptVersion is Next for a document that must be version n.
func (s Source) acceptVersion(f signedFile, n uint64, now time.Time) (Source, *Keys, error) {
	next, keys, err := s.Next(f.name, f.data, f.sig, now)
	if err == nil && (keys == nil || keys.Version != n) {
		err = fmt.Errorf("%s: %w: it is not version %d", f.name, verify.ErrUntrusted, n)
	}
	if err != nil {
		return s, nil, err
	}
	return next, keys, nil
}

// mayBeReachable reports whether a document that was refused with err may be accepted
// after intermediate versions: it is signed by keys that are not known yet, or its
// version is later than the next.
func mayBeReachable(err error) bool {
	if ahead, ok := errors.AsType[*verify.RotationError](err); ok {
		return ahead.Got > ahead.Have
	}
	_, unknown := errors.AsType[*verify.SignatureError](err)
	return unknown
}

// Next returns s with the keys of one keys document. name stands for the document in
// errors. It must be the version after that of s, and be signed both by the threshold
// of the keys that s trusts and by the threshold of its own keys. If s already trusts
// this document, keys is nil and next is s. Next does not check the document's dates:
// call Edition.Fresh.
func (s Source) Next(name string, data, sig []byte, now time.Time) (next Source, keys *Keys, err error) {
	if s.isInForce(data) {
		return s, nil, nil
	}
	d, err := s.CheckKeys(now).Detached(name, data, sig)
	if err != nil {
		return s, nil, fmt.Errorf("channel %s: %w", s.Channel, manifests.ExplainMismatch(err, data, sig, s.Policy.Keys))
	}
	keys, err = parseProvedKeys(d, s.Channel)
	if err != nil {
		return s, nil, err
	}
	if have := s.Edition.Version; have > 0 && keys.Version != have+1 {
		out := &verify.RotationError{Channel: s.Channel, Have: have, Got: keys.Version}
		if keys.Version > have {
			out.Missing = KeysFileOf(have + 1)
		}
		return s, nil, out
	}
	revoked := slices.Compact(slices.Sorted(slices.Values(slices.Concat(s.Edition.Revoked, keys.Revoked))))
	if err := notRevoked(keys, revoked); err != nil {
		return s, nil, fmt.Errorf("channel %s: %w", s.Channel, err)
	}
	ring, err := keys.Keyring(s.Policy.Keys.Export()...)
	if err != nil {
		return s, nil, fmt.Errorf("channel %s: version %d of its keys: %w", s.Channel, keys.Version, err)
	}
	next = s
	next.Policy = verify.Policy{Keys: ring, Threshold: keys.Threshold}
	if _, err := next.CheckKeys(now).Detached(name, data, sig); err != nil {
		// Not a *verify.SignatureError: no intermediate version can repair it.
		return s, nil, verify.Untrusted("channel %s: version %d of its keys is not signed by the keys that it lists: %v", s.Channel, keys.Version, err)
	}
	mark := verify.KeysMark{Version: keys.Version, Digest: verify.DigestOf(data), Restart: s.Edition.Restart, Restarted: s.Edition.Restarted}
	if keys.Serial > 0 {
		mark.Restart, mark.Restarted = keys.Serial, keys.Version
	}
	next.Edition = Edition{mark, keys.Issued, keys.Expires, revoked}
	return next, keys, nil
}

// isInForce reports whether data is the keys document that s trusts already.
func (s Source) isInForce(data []byte) bool {
	return s.Edition.Version > 0 && verify.DigestOf(data) == s.Edition.Digest
}

// absent reports whether the server answered that it has no such document, or denied
// access to it. A server that denies a document gains nothing over one that reports
// it as missing.
func absent(err error) bool {
	return errors.Is(err, manifests.ErrNotFound) || errors.Is(err, manifests.ErrDenied)
}

// A pageError reports that the server sent a web page instead of a keys document. It
// is not used for a page instead of signatures, or a document whose signatures are
// hidden that way would be skipped.
type pageError struct{ error }

func (e pageError) Unwrap() error { return e.error }

func isPage(err error) bool {
	_, page := errors.AsType[pageError](err)
	return page
}

// readKeys fetches the keys document called name, and its signatures. If these are over
// other bytes, it fetches them as manifests.SignedRef.Read says. Which keys they are by
// does not matter: that the keys are not known yet is no reason to ask again.
func (s Source) readKeys(ctx context.Context, t manifests.Transport, name string) (signedFile, error) {
	ref, err := manifests.Join(s.URL, name)
	if err != nil {
		return signedFile{}, fmt.Errorf("channel %s: %w", s.Channel, err)
	}
	f := signedFile{name: manifests.Redact(ref)}
	read := false
	err = s.signedRef(ref, MaxKeysFile).Read(ctx, t, func(data, sig []byte) error {
		got := signedFile{f.name, data, sig, sig != nil}
		fits, again := got.fits() || s.isInForce(data), read && bytes.Equal(data, f.data)
		if fits || !again {
			f, read = got, true
		}
		if fits || !again && got.isNonsense() {
			return nil
		}
		return &verify.SignatureError{Name: f.name, Need: 1, Rules: []string{"the signatures are over other bytes"}}
	})
	if _, unfit := errors.AsType[*verify.SignatureError](err); unfit || read && absent(err) {
		return f, nil // Next refuses it
	}
	if page, ok := errors.AsType[*manifests.PageError](err); ok && page.Ref == f.name {
		err = pageError{err}
	}
	if err != nil {
		return f, fmt.Errorf("channel %s: %w", s.Channel, err)
	}
	return f, nil
}
