package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// maxKeyring is the ceiling on one file of keys, in bytes.
const maxKeyring = 16 << 20

func (a *app) checkSignatureCommand() *cobra.Command {
	var keyrings []string
	var threshold int
	var at string
	return a.command(verb{
		group: trust, use: "check-signature FILE [SIGNATURE] --keyring FILE…",
		short: "Check any file's OpenPGP signature under kist's policy",
		long: `Like gpgv: is FILE signed by a key of the keyring? SIGNATURE is a detached
signature; without it FILE must be clear-signed. A keyring may be binary or
armored. There are no pins here: every key must be sound by itself. With --at
the question is judged at that time (2026-11-22 or 2026-11-22T10:00:00Z).`,
		example: "kist check-signature tool.tar.gz tool.tar.gz.asc --keyring vendor.asc",
		exits:   []int{0, 2, 3, 4},
		args:    between(1, 2),
		local:   true,
		flags: func(f *pflag.FlagSet) {
			f.StringArrayVar(&keyrings, "keyring", nil, "a `FILE` of keys that may have signed (repeatable)")
			f.IntVar(&threshold, "threshold", 1, "how many of them must have: `N`")
			f.StringVar(&at, "at", "", "judge at this `TIME`, not now")
		},
		run: func(ctx context.Context, args []string) (result, error) {
			if len(keyrings) == 0 {
				return nil, usage("check-signature: name the keys with --keyring FILE")
			}
			if threshold < 1 {
				return nil, usage("check-signature: --threshold %d: want at least 1", threshold)
			}
			now, err := parseTime(at, a.now)
			if err != nil {
				return nil, err
			}
			return checkSignature(args, keyrings, verify.Policy{Threshold: threshold, Now: now, Clock: a.now, Use: verify.Release})
		},
	})
}

func parseTime(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return now, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return now, usage("--at %s: want a time such as 2026-11-22T10:00:00Z or 2026-11-22", s)
}

// signatureResult is a signature that holds.
type signatureResult struct {
	File     string          `json:"file"`
	Evidence verify.Evidence `json:"evidence"`
}

func (r signatureResult) text(p *page) {
	p.line("%s: signed", r.File)
	if !r.Evidence.Digest.IsZero() {
		field(p, "digest", r.Evidence.Digest.String())
	}
	for _, s := range r.Evidence.Signers {
		signerText(p, s)
	}
	for _, note := range r.Evidence.Notes {
		field(p, "note", note)
	}
}

// A keyringError says that a keyring holds no key to check against.
type keyringError struct{ err error }

func (e *keyringError) Error() string { return fmt.Sprintf("keyring: %v", e.err) }
func (e *keyringError) Unwrap() error { return e.err }
func (e *keyringError) Is(target error) bool {
	return target == verify.ErrUntrusted
}

func checkSignature(args, keyrings []string, policy verify.Policy) (result, error) {
	var files [][]byte
	for _, path := range keyrings {
		data, err := readFile(path, maxKeyring)
		var missing *missingFileError
		if errors.As(err, &missing) {
			return nil, err
		} else if err != nil {
			return nil, &keyringError{err}
		}
		files = append(files, data)
	}
	keys, err := verify.OpenKeyring(files...)
	if err != nil {
		return nil, &keyringError{err}
	}
	policy.Keys = keys
	name := args[0]
	if len(args) == 1 {
		msg, err := readFile(name, manifests.MaxManifest)
		if err != nil {
			return nil, err
		}
		d, err := policy.Clearsigned(name, msg)
		return signatureResult{name, d.Evidence()}, err
	}
	data, err := openFile(name)
	if err != nil {
		return nil, err
	}
	defer data.Close()
	sig, err := readFile(args[1], manifests.MaxSignature)
	if err != nil {
		return nil, err
	}
	e, err := policy.File(name, data, sig)
	if err != nil {
		return nil, err
	}
	return signatureResult{name, e}, nil
}
