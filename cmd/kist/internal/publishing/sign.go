package publishing

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/cmd/kist/internal/publishtext"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/verify"
)

// signing is how a document is signed: by the flags that publish sign and publish keys
// share.
type signing struct {
	secret, out, attach string
	days                int
}

func (s *signing) addFlags(f *pflag.FlagSet) {
	f.StringVar(&s.secret, "secret-key", "", "sign with the secret key in `FILE`")
	f.StringVar(&s.out, "unsigned-out", "", "write what is to be signed to `FILE`")
	f.StringVar(&s.attach, "attach", "", "add the signature in `FILE`")
}

// check validates the flags, and counts the ways to sign that are given.
func (s signing) check(verb string, minDays int) (ways int, err error) {
	for _, way := range []string{s.secret, s.out, s.attach} {
		if way != "" {
			ways++
		}
	}
	if ways > 1 {
		return ways, failure.Usage("%s: want one of --secret-key, --unsigned-out and --attach", verb)
	}
	if most := int(verify.MaxLife.Hours() / 24); s.days < minDays || s.days > most {
		return ways, failure.Usage("%s: --days %d: want 1 to %d", verb, s.days, most)
	}
	return ways, nil
}

func (s signing) stamp(now time.Time) publish.Stamp {
	return publish.Stamp{Now: now, Validity: time.Duration(s.days) * 24 * time.Hour}
}

// read reads the secret key or the signature that is named.
func (s signing) read() (sig publish.Signature, err error) {
	if s.attach != "" {
		sig.Made, err = namedfiles.Read(s.attach, manifests.MaxSignature)
	}
	if s.secret != "" && err == nil {
		sig.Key, err = namedfiles.SecretKey(s.secret)
	}
	return sig, err
}

// writeUnsigned writes the bytes to be signed elsewhere, if a file is named for them,
// except in a dry run.
func (a *verbs) writeUnsigned(file string, text []byte) error {
	if a.Flags.DryRun || file == "" {
		return nil
	}
	return namedfiles.Write(file, text)
}

func (a *verbs) publishSignCommand() *cobra.Command {
	var o signing
	var keys []string
	return a.Command(cli.Verb{
		Use:   "sign DIR --secret-key FILE | --unsigned-out FILE | --attach SIGNATURE",
		Short: "Sign what was added, here or elsewhere",
		Long: `Gives the manifest the next serial and new dates, and signs it. It is published
once enough keys have signed it: as many as keys.toml requires, or without
keys.toml all that signed the published manifest. Until then it waits in
channel.next.toml, and the next signer runs this command on the directory. To
sign on another machine or with a smart card, use --unsigned-out, then --attach.
A secret key file must have no passphrase.`,
		Example: `kist publish sign public/ --secret-key secret.asc
kist publish sign public/ --unsigned-out next.toml
gpg --armor --detach-sign next.toml
kist publish sign public/ --attach next.toml.asc`,
		Exits:     []int{0, 1, 2, 3, 4, 5, 8},
		ExitMeans: map[int]string{3: "no such directory or file"},
		Args:      cli.Exactly(1),
		Changes:   true,
		Flags: func(f *pflag.FlagSet) {
			o.addFlags(f)
			f.StringArrayVar(&keys, "key", nil, "public keys for --attach, in `FILE` (repeatable)")
			f.IntVar(&o.days, "days", int(publish.DefaultValidity.Hours()/24), "how long it is fresh: `N` days")
		},
		Run: func(_ context.Context, args []string) (cli.Result, error) {
			ways, err := o.check("publish sign", 1)
			if err != nil {
				return nil, err
			}
			if ways == 0 {
				return nil, failure.Usage("publish sign: want one of --secret-key, --unsigned-out and --attach")
			}
			if len(keys) > 0 && o.attach == "" {
				return nil, failure.Usage("publish sign: --key goes with --attach")
			}
			return a.withPublished(args[0], func(d publish.Dir) (cli.Result, error) {
				sig, err := o.read()
				if err == nil {
					sig.Keys, err = namedfiles.ReadAll(keys, verify.MaxKeyring)
				}
				if err != nil {
					return nil, err
				}
				done, err := d.SignBy(sig, o.stamp(a.Started))
				if err == nil {
					err = a.writeUnsigned(o.out, done.Text)
				}
				if err != nil {
					return nil, err
				}
				a.warnOfSigned(done)
				a.warnOfPage(d, args[0])
				return publishtext.Signed{DryRun: a.Flags.DryRun, Signed: done, Unsigned: o.out, Dir: args[0]}, nil
			})
		},
	})
}

// largeManifest is the size from which a publisher is warned that a manifest nears
// its limit.
const largeManifest = manifests.MaxManifest / 2

func (a *verbs) warnOfSigned(s publish.Signed) {
	a.WarnOfKeys(s.Findings)
	if s.Unproved {
		a.Warn("the certificate of that signer is not known here, so the signature was not verified; give it with --key FILE")
	}
	if s.Dropped > 0 && !a.Flags.DryRun {
		a.Warn("serial %d was waiting for signatures and is replaced by this manifest", s.Dropped)
	}
	if size := int64(len(s.Text)); size >= largeManifest {
		a.Warn("the manifest has %s of at most %s; remove old releases with kist publish remove", term.ByteSize(size), term.ByteSize(manifests.MaxManifest))
	}
}
