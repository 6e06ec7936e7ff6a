package publishing

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/cmd/kist/internal/publishtext"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/verify"
)

func (a *verbs) publishKeysCommand() *cobra.Command {
	var o keysOptions
	return a.Command(cli.Verb{
		Use:   "keys DIR [--key FILE…] [--threshold N] [--revoke FINGERPRINT…] [--secret-key FILE | …]",
		Short: "Set which keys sign from now on, and how many must",
		Long: `Makes keys.toml, which tells users which keys sign from now on. The keys given
with --key replace all others; what no flag sets does not change. The document
comes into force once enough of the keys in force (for the first document, all
that signed the published manifest) and enough of the new keys have signed it,
and enough of the new keys have signed the published manifest (kist publish
sign), so that users can always update. Until then it waits in keys.next.toml,
and the next signer runs this command with only --secret-key, or --unsigned-out
and --attach. The same renews a document in force before it expires.`,
		Example: `kist publish keys public/ --key a.asc --key b.asc --threshold 2 --secret-key a.sec
kist publish keys public/ --secret-key b.sec`,
		Exits:     []int{0, 1, 2, 3, 4, 8},
		ExitMeans: map[int]string{3: "no such directory or file"},
		Args:      cli.Exactly(1),
		Changes:   true,
		Flags: func(f *pflag.FlagSet) {
			f.StringArrayVar(&o.keys, "key", nil, "all public keys that sign from now on: `FILE` (repeatable)")
			f.IntVar(&o.threshold, "threshold", 0, "how many of them must sign: `N`, 1 to 5")
			f.StringArrayVar(&o.revoke, "revoke", nil, "key never to accept again: `FINGERPRINT` (repeatable)")
			f.Uint64Var(&o.serial, "recover-serial", 0, "restart serials at `S`, after one that was too high")
			f.IntVar(&o.days, "days", 0, fmt.Sprintf("how long it is valid: `N` days; default %d", int(publish.DefaultKeysValidity.Hours()/24)))
			o.addFlags(f)
		},
		Run: func(_ context.Context, args []string) (cli.Result, error) {
			change, err := o.change()
			if err != nil {
				return nil, err
			}
			return a.withPublished(args[0], func(d publish.Dir) (cli.Result, error) {
				sig, err := o.read()
				if err != nil {
					return nil, err
				}
				done, err := d.ChangeKeys(change, o.stamp(a.Started), sig)
				a.WarnOfKeys(done.Findings)
				if done.Dropped {
					a.Warn("the keys document that waited for signatures gave way to this one, and what had signed it counts no more")
				}
				if err == nil {
					err = a.writeUnsigned(o.out, done.Text)
				}
				if err != nil {
					return nil, err
				}
				if done.InForce && !done.Manifest.Reached() {
					a.Warn("channel.toml is not signed by enough of these keys, so users refuse it: kist publish sign %s --secret-key FILE", host.QuoteWords(args[0]))
				}
				a.warnOfPage(d, args[0])
				return publishtext.Keys{DryRun: a.Flags.DryRun, KeysSigned: done, Out: o.out, Dir: args[0]}, nil
			})
		},
	})
}

type keysOptions struct {
	signing
	keys, revoke []string
	threshold    int
	serial       uint64
}

// change validates the flags and returns the change that they describe.
func (o keysOptions) change() (c publish.KeysChange, err error) {
	ways, err := o.check("publish keys", 0)
	if err != nil {
		return c, err
	}
	noChange := len(o.keys)+len(o.revoke) == 0 && o.threshold == 0 && o.serial == 0 && o.days == 0
	switch {
	case ways == 0 && noChange:
		return c, failure.Usage("publish keys: name the keys that sign from now on with --key FILE")
	case o.attach != "" && !noChange:
		return c, failure.Usage("publish keys: --attach adds a signature to an existing document, so no other change is possible")
	}
	c.Threshold, c.Serial = o.threshold, o.serial
	for _, s := range o.revoke {
		f, err := verify.ParseFingerprint(s)
		if err != nil {
			return c, failure.Usage("publish keys: --revoke: %v", err)
		}
		c.Revoke = append(c.Revoke, f)
	}
	c.Keys, err = namedfiles.ReadAll(o.keys, verify.MaxKeyring)
	return c, err
}
