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

// MaxSteps is how many versions of its keys document a channel may be ahead of
// a user who comes back to it.
const MaxSteps = 64

// An Edition is the keys document that a channel's keys come from. The zero
// Edition stands for the keys that the user gave.
type Edition struct {
	Version uint64
	Digest  verify.Digest // of the document
	Issued  time.Time
	Expires time.Time
	// Revoked are the keys that this document or one before it has revoked.
	Revoked []verify.Fingerprint
	// Restart is the serial from which manifests count anew, where a document
	// that Rotate took on the way to this one says so, and Restarted its version.
	Restart, Restarted uint64
}

// Mark is what a user remembers of e.
func (e Edition) Mark() verify.KeysMark {
	return verify.KeysMark{Version: e.Version, Digest: e.Digest, Restart: e.Restart, Restarted: e.Restarted}
}

// Fresh returns a *verify.ExpiredError if e is not valid now: by the same rules
// as a manifest. The zero Edition always is.
func (e Edition) Fresh(channel string, now time.Time) error {
	if e.Version == 0 {
		return nil
	}
	err := verify.Mark{Channel: channel, Issued: e.Issued, Expires: e.Expires}.Fresh(now)
	if expired, ok := errors.AsType[*verify.ExpiredError](err); ok {
		expired.Rule = fmt.Sprintf("version %d of its keys: %s", e.Version, expired.Rule)
	}
	return err
}

// A signedFile is a document with its signatures, as they came.
type signedFile struct {
	name      string // with its place
	data, sig []byte
}

// isNonsense reports whether what came as the signatures of f is none at all: the
// origin answers with something whatever it is asked for, and to ask on is in vain.
func (f signedFile) isNonsense() bool {
	return len(f.sig) > 0 && !bytes.Contains(f.sig, []byte("-----BEGIN PGP SIGNATURE-----"))
}

// Rotate follows the keys of the channel: from those that s trusts, through
// every later keys document, to the newest one, which must be valid now. It
// returns s with the keys it found, and the documents it took on the way, oldest
// first; a channel that has no keys document, and never had one, is s itself.
//
// Where s trusts what the user gave (the zero Edition), the walk starts at the
// newest document that those keys prove; from then on each version must follow
// the one before, signed by the threshold of both. A web page in place of a keys
// document counts as none only as long as none was ever seen. Errors match
// verify.ErrUntrusted or verify.ErrStale, or are t's own; what was taken before
// one, or has expired, is returned beside it, since it was proved. The caller
// stores what was taken before anything else, so that it can't be withheld later.
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
	var taken []*Keys
	if s.Edition.Version == 0 {
		if s, taken, err = s.start(ctx, t, newest, now); err != nil {
			return s, nil, err
		}
	}
	again := true // a pair that does not fit is fetched once more, as that of the manifest is
	for n, last := s.Edition.Version+1, s.Edition.Version+MaxSteps; n <= last; n++ {
		next, keys, err := s.Next(newest.name, newest.data, newest.sig, now)
		if err == nil {
			if keys != nil {
				taken = append(taken, keys)
			}
			return next, taken, next.Edition.Fresh(s.Channel, now)
		}
		if !leadsOn(err) || newest.isNonsense() {
			return s, taken, err
		}
		step, missing := s.readKeys(ctx, t, KeysFileOf(n))
		if absent(missing) || isPage(missing) {
			if !again && isPage(missing) {
				return s, taken, missing
			}
			if !again {
				return s, taken, s.older(newest, err)
			}
			again = false
			if newest, err = s.readKeys(ctx, t, KeysFile); err != nil {
				return s, taken, err
			}
			n--
			continue
		}
		if missing != nil {
			return s, taken, missing
		}
		if s, keys, err = s.numbered(step, n, now); err != nil {
			return s, taken, err
		}
		taken = append(taken, keys)
	}
	return s, taken, fmt.Errorf("channel %s: %w: no keys document that leads on within %d versions", s.Channel, verify.ErrUntrusted, MaxSteps)
}

// older is the error for a newest document that s does not take for err: a
// *verify.RotationError where its keys did not sign it and it says itself that it
// is an earlier one, such as keys that were replaced since signed. Nobody vouches
// for what it says, which only chooses between two refusals.
func (s Source) older(f signedFile, err error) error {
	if _, unproved := errors.AsType[*verify.SignatureError](err); !unproved {
		return err
	}
	for head := range tomldoc.Split(f.data) {
		says, broken := tomldoc.Decode(head.Text, partLimits)
		version, ok := says["version"].(int64)
		if broken == nil && ok && says["channel"] == s.Channel && version > 0 && uint64(version) < s.Edition.Version {
			return &verify.RotationError{Channel: s.Channel, Have: s.Edition.Version, Got: uint64(version)}
		}
		break
	}
	return err
}

// start is s with the newest document that the keys which the user gave prove:
// newest, or one of those that are kept by their numbers.
func (s Source) start(ctx context.Context, t manifests.Transport, newest signedFile, now time.Time) (best Source, taken []*Keys, err error) {
	next, keys, unproved := s.Next(newest.name, newest.data, newest.sig, now)
	if unproved == nil {
		return next, []*Keys{keys}, nil
	}
	if newest.isNonsense() {
		return s, nil, unproved
	}
	for n := uint64(1); n <= MaxSteps; n++ {
		kept, err := s.readKeys(ctx, t, KeysFileOf(n))
		if absent(err) || isPage(err) {
			break
		}
		if err != nil {
			return s, nil, err
		}
		if kept.isNonsense() {
			break
		}
		next, keys, err := s.numbered(kept, n, now)
		if err == nil {
			best, taken = next, []*Keys{keys}
		} else if !leadsOn(err) {
			return s, nil, err
		}
	}
	if taken == nil {
		return s, nil, unproved
	}
	return best, taken, nil
}

// numbered is Next for the document that is kept as version n.
func (s Source) numbered(f signedFile, n uint64, now time.Time) (Source, *Keys, error) {
	next, keys, err := s.Next(f.name, f.data, f.sig, now)
	if err == nil && (keys == nil || keys.Version != n) {
		err = fmt.Errorf("%s: %w: it is not version %d", f.name, verify.ErrUntrusted, n)
	}
	if err != nil {
		return s, nil, err
	}
	return next, keys, nil
}

// leadsOn reports whether a document that s does not take may still be the end
// of a walk: signed by keys that s does not know yet, or later than the next.
func leadsOn(err error) bool {
	if ahead, ok := errors.AsType[*verify.RotationError](err); ok {
		return ahead.Got > ahead.Have
	}
	_, unknown := errors.AsType[*verify.SignatureError](err)
	return unknown
}

// Next is s with the keys of one document, which name stands for in errors. It
// must be signed by the threshold of the keys that s trusts and by the threshold
// of its own, and be the version after that of s; keys is nil, and s unchanged,
// for the very document that s trusts already. Whether it has expired is not
// judged here: Edition.Fresh does.
func (s Source) Next(name string, data, sig []byte, now time.Time) (next Source, keys *Keys, err error) {
	digest := verify.DigestOf(data)
	if s.Edition.Version > 0 && digest == s.Edition.Digest {
		return s, nil, nil
	}
	d, err := s.Judge(now).Detached(name, data, sig)
	if err != nil {
		return s, nil, fmt.Errorf("channel %s: %w", s.Channel, err)
	}
	keys, err = ParseKeys(d, s.Channel)
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
	revoked := union(s.Edition.Revoked, keys.Revoked)
	if err := notRevoked(keys, revoked); err != nil {
		return s, nil, fmt.Errorf("channel %s: %w", s.Channel, err)
	}
	ring, err := keys.Keyring(s.Policy.Keys.Export()...)
	if err != nil {
		return s, nil, fmt.Errorf("channel %s: version %d of its keys: %w", s.Channel, keys.Version, err)
	}
	next = s
	next.Policy = verify.Policy{Keys: ring, Threshold: keys.Threshold}
	if _, err := next.Judge(now).Detached(name, data, sig); err != nil {
		return s, nil, &OwnKeysError{s.Channel, keys.Version, err}
	}
	next.Edition = Edition{keys.Version, digest, keys.Issued, keys.Expires, revoked, s.Edition.Restart, s.Edition.Restarted}
	if keys.Serial > 0 {
		next.Edition.Restart, next.Edition.Restarted = keys.Serial, keys.Version
	}
	return next, keys, nil
}

// An OwnKeysError says that a keys document is not signed by the threshold of
// the very keys that it names. It matches verify.ErrUntrusted.
type OwnKeysError struct {
	Channel string
	Version uint64
	err     error // a *verify.SignatureError
}

func (e *OwnKeysError) Error() string {
	return fmt.Sprintf("channel %s: version %d of its keys is not signed by the keys that it names: %v", e.Channel, e.Version, e.err)
}

// Is reports that such a document is not trusted. It does not unwrap: another
// document cannot make up for it.
func (e *OwnKeysError) Is(target error) bool { return target == verify.ErrUntrusted }

// absent reports whether the origin has no such document, as far as it says. One
// that hides a document by denying it is no better off than one that says it is
// missing.
func absent(err error) bool {
	return errors.Is(err, manifests.ErrNotFound) || errors.Is(err, manifests.ErrDenied)
}

// A pageError says that a web page came for a keys document, which the origin may
// not have. Signatures of a document that is there are not meant: without them it
// would be passed over.
type pageError struct{ error }

func (e pageError) Unwrap() error { return e.error }

func isPage(err error) bool {
	_, page := errors.AsType[pageError](err)
	return page
}

func (s Source) readKeys(ctx context.Context, t manifests.Transport, name string) (signedFile, error) {
	at, err := manifests.Join(s.URL, name)
	if err != nil {
		return signedFile{}, fmt.Errorf("channel %s: %w", s.Channel, err)
	}
	f := signedFile{name: manifests.Redact(at)}
	f.data, err = manifests.ReadAll(ctx, t, at, MaxKeysFile)
	if _, page := errors.AsType[*manifests.PageError](err); page {
		err = pageError{err}
	}
	if err != nil {
		return f, fmt.Errorf("channel %s: %w", s.Channel, err)
	}
	f.sig, err = manifests.ReadAll(ctx, t, at+".asc", manifests.MaxSignature)
	if absent(err) {
		return f, nil // unsigned, which the policy refuses
	}
	if err != nil {
		return f, fmt.Errorf("channel %s: %w", s.Channel, err)
	}
	return f, nil
}

func union(a, b []verify.Fingerprint) []verify.Fingerprint {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
