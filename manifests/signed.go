package manifests

import (
	"context"
	"errors"

	"github.com/kist-tools/kist/verify"
)

// ReadSigned fetches the document at ref and its detached signatures at ref+suffix,
// and verifies them by policy. If the signatures do not match the document, both are
// fetched once more, because the publisher may have replaced one file between the two
// requests. Errors are those of t, *TooLargeError and *verify.SignatureError, which
// also reports that there is no signature file.
func ReadSigned(ctx context.Context, t Transport, ref, suffix string, policy verify.Policy) (verify.Document, error) {
	d, err := readPair(ctx, t, ref, suffix, policy)
	if _, mismatch := errors.AsType[*verify.SignatureError](err); mismatch {
		return readPair(ctx, t, ref, suffix, policy)
	}
	return d, err
}

func readPair(ctx context.Context, t Transport, ref, suffix string, policy verify.Policy) (verify.Document, error) {
	name := Redact(ref)
	data, err := ReadAll(ctx, t, ref, MaxManifest)
	if err != nil {
		return verify.Document{}, err
	}
	sig, err := ReadAll(ctx, t, ref+suffix, MaxSignature)
	if errors.Is(err, ErrNotFound) {
		return verify.Document{}, policy.Unsigned(name)
	}
	if err != nil {
		return verify.Document{}, err
	}
	return policy.DetachedNoCopy(name, data, sig)
}
