package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/cmd/kist/internal/prooftext"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

func (a *app) checkSignatureCommand() *cobra.Command {
	var keyrings []string
	var threshold int
	var at string
	return a.Command(cli.Verb{
		Group: cli.Trusting, Use: "check-signature FILE [SIGNATURE] --keyring FILE…",
		Short: "Check any file's OpenPGP signature under kist's policy",
		Long: `Checks, like gpgv, whether a key of the keyring signed FILE. SIGNATURE is a detached
signature; without it FILE must be clear-signed. A keyring may be binary or
armored. No key is pinned: each must be valid by itself, both when it signed and
now, or at the time of --at.`,
		Example: `kist check-signature tool.tar.gz tool.tar.gz.asc --keyring vendor.asc
kist check-signature SHASUMS256.txt.asc --keyring a.asc --keyring b.asc --threshold 2`,
		Exits:     []int{0, 2, 3, 4},
		ExitMeans: map[int]string{3: "no such file"},
		Args:      cli.Between(1, 2),
		Local:     true,
		Flags: func(f *pflag.FlagSet) {
			f.StringArrayVar(&keyrings, "keyring", nil, "keys that may have signed, in `FILE` (repeatable)")
			f.IntVar(&threshold, "threshold", 1, "how many must have signed: `N`; keys with the same secret count once")
			f.StringVar(&at, "at", "", "check as of `TIME`: 2026-11-22 or 2026-11-22T10:00:00Z")
		},
		Run: func(ctx context.Context, args []string) (cli.Result, error) {
			if len(keyrings) == 0 {
				return nil, failure.Usage("check-signature: name the keys with --keyring FILE")
			}
			if threshold < 1 {
				return nil, failure.Usage("check-signature: --threshold %d: want at least 1", threshold)
			}
			now, err := parseTime(at, a.Started)
			if err != nil {
				return nil, err
			}
			return checkSignature(ctx, args, keyrings, verify.Policy{Threshold: threshold, Now: now, Clock: a.Started, Use: verify.Manifest})
		},
	})
}

// parseTime parses the value of --at; empty means now.
func parseTime(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return now, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return now, failure.Usage("--at %s: want a time such as 2026-11-22T10:00:00Z or 2026-11-22", s)
}

// signatureResult is a valid signature.
type signatureResult struct {
	File     string          `json:"file"`
	Evidence verify.Evidence `json:"evidence"`
}

func (r signatureResult) Render(p *term.Page) {
	p.Line("%s: signed", r.File)
	if !r.Evidence.Digest.IsZero() {
		p.Field("digest", r.Evidence.Digest.String())
	}
	for _, s := range r.Evidence.Signers {
		prooftext.WriteSigner(p, s)
	}
	p.Field("note", r.Evidence.Notes...)
}

// unreadable wraps err in a *failure.UnreadableError, except for a missing file, which has its
// own exit code, and an error that is untrusted already.
func unreadable(err error) error {
	if _, missing := errors.AsType[*namedfiles.MissingError](err); missing || err == nil || errors.Is(err, verify.ErrUntrusted) {
		return err
	}
	return &failure.UnreadableError{Err: err}
}

func checkSignature(ctx context.Context, args, keyrings []string, policy verify.Policy) (cli.Result, error) {
	var err error
	if policy.Keys, err = namedfiles.PublicKeys(keyrings, verify.MaxKeyring); err != nil {
		return nil, unreadable(err)
	}
	if info, err := os.Stat(args[0]); err == nil && len(args) == 2 && !info.Mode().IsRegular() && !info.IsDir() {
		return nil, failure.Usage("check-signature: %s is not a regular file, but must be read more than once", args[0])
	}
	e, err := signatureOf(ctx, args, policy)
	if err != nil {
		return nil, unreadable(err)
	}
	return signatureResult{args[0], e}, nil
}

// signatureOf verifies the clear-signed file args[0], or args[0] by the detached
// signature args[1].
func signatureOf(ctx context.Context, args []string, policy verify.Policy) (verify.Evidence, error) {
	if len(args) == 1 {
		msg, err := namedfiles.Read(args[0], manifests.MaxManifest)
		if err != nil {
			return verify.Evidence{}, err
		}
		d, err := policy.Clearsigned(args[0], msg)
		return d.Evidence(), err
	}
	data, err := namedfiles.Open(args[0])
	if err != nil {
		return verify.Evidence{}, err
	}
	defer data.Close()
	sig, err := namedfiles.Read(args[1], manifests.MaxSignature)
	if err != nil {
		return verify.Evidence{}, err
	}
	return policy.File(args[0], manifests.ContextReader{ReadSeeker: data, Ctx: ctx}, sig)
}
