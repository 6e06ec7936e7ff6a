package main

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/verify"
)

func (a *app) publishKeysCommand() *cobra.Command {
	var o keysOptions
	return a.command(verb{
		use:   "keys DIR [--key FILE…] [--threshold N] [--revoke FINGERPRINT…] [--secret-key FILE | --unsigned-out FILE | --attach SIGNATURE]",
		short: "Set which keys sign from now on, and how many must",
		long: `Makes keys.toml, which tells a channel's users of new keys. The keys given with
--key replace all others; without a flag, that setting does not change. The
document comes into force once it has signatures of the threshold of the keys in
force (for the first document, of all that signed the published manifest) and of
the threshold of the new keys, and the published manifest has those of the new
keys, too (kist publish sign), so that users can always update. Until then it
waits in keys.next.toml: pass the directory on, and have the next signer run this
command with only --secret-key, or --unsigned-out and --attach. If the document
is in force, that renews it before it expires.`,
		example: "kist publish keys public/ --key alice.asc --key bob.asc --threshold 2 --secret-key alice.sec",
		exits:   []int{0, 1, 2, 3, 4, 8},
		args:    exactly(1),
		changes: true,
		flags: func(f *pflag.FlagSet) {
			f.StringArrayVar(&o.keys, "key", nil, "a `FILE` of public keys that sign from now on: all of them (repeatable)")
			f.IntVar(&o.threshold, "threshold", 0, "how many of them must sign: `N`, 1 to 5")
			f.StringArrayVar(&o.revoke, "revoke", nil, "a key that never counts again, by its full `FINGERPRINT` (repeatable)")
			f.Uint64Var(&o.serial, "recover-serial", 0, "restart manifest serials from `S`, after one that was too high")
			f.IntVar(&o.days, "days", 0, fmt.Sprintf("how long the document is valid: `N` days; default %d", int(publish.DefaultKeysValidity.Hours()/24)))
			f.StringVar(&o.secret, "secret-key", "", "sign with the secret key in `FILE`")
			f.StringVar(&o.out, "unsigned-out", "", "write what is to be signed to `FILE`")
			f.StringVar(&o.attach, "attach", "", "add the signature in `FILE`")
		},
		run: func(_ context.Context, args []string) (result, error) { return a.publishKeys(args[0], o) },
	})
}

type keysOptions struct {
	keys, revoke        []string
	threshold, days     int
	serial              uint64
	secret, out, attach string
}

// change validates the flags and returns the change that they describe.
func (o keysOptions) change() (c publish.KeysChange, err error) {
	ways := 0
	for _, way := range []string{o.secret, o.out, o.attach} {
		if way != "" {
			ways++
		}
	}
	noChange := len(o.keys)+len(o.revoke) == 0 && o.threshold == 0 && o.serial == 0 && o.days == 0
	switch {
	case ways > 1:
		return c, usage("publish keys: want one of --secret-key, --unsigned-out and --attach")
	case ways == 0 && noChange:
		return c, usage("publish keys: name the keys that sign from now on with --key FILE")
	case o.attach != "" && !noChange:
		return c, usage("publish keys: --attach adds a signature to an existing document, so no other change is possible")
	case o.threshold < 0 || o.threshold > native.MaxKeys:
		return c, usage("publish keys: --threshold %d: want 1 to %d", o.threshold, native.MaxKeys)
	case o.days < 0 || time.Duration(o.days)*24*time.Hour > verify.MaxLife:
		return c, usage("publish keys: --days %d: want 1 to %d", o.days, int(verify.MaxLife.Hours()/24))
	}
	c.Threshold, c.Serial = o.threshold, o.serial
	for _, s := range o.revoke {
		f, err := verify.ParseFingerprint(s)
		if err != nil {
			return c, usage("publish keys: --revoke: %v", err)
		}
		c.Revoke = append(c.Revoke, f)
	}
	c.Keys, err = readFiles(o.keys, verify.MaxKeyring)
	return c, err
}

func (a *app) publishKeys(dir string, o keysOptions) (result, error) {
	change, err := o.change()
	if err != nil {
		return nil, err
	}
	d, closeDir, err := a.openPublished(dir)
	if err != nil {
		return nil, err
	}
	defer closeDir()
	stamp := publish.Stamp{Now: a.now, Validity: time.Duration(o.days) * 24 * time.Hour}
	pending, err := d.KeysPending()
	if err != nil {
		return nil, err
	}
	var secret *verify.SecretKey
	if o.secret != "" {
		if secret, err = readSecretKey(o.secret); err != nil {
			return nil, err
		}
		change.Signer = secret.Keyring()
	}
	var done publish.KeysSigned
	if !change.IsZero() || o.days > 0 || o.out != "" && !pending {
		if done, err = d.PrepareKeys(change, stamp); err != nil {
			return nil, err
		}
		a.warnOfKeys(done.Findings)
		if done.Dropped {
			a.Warn("the keys document that waited for signatures gave way to this one, and what had signed it counts no more")
		}
	}
	switch {
	case o.secret != "":
		if done, err = d.SignKeys(secret, stamp); err != nil {
			return nil, err
		}
	case o.attach != "":
		sig, err := readFile(o.attach, manifests.MaxSignature)
		if err != nil {
			return nil, err
		}
		if done, err = d.AttachKeys(sig, a.now); err != nil {
			return nil, err
		}
	case o.out != "":
		var unsigned bytes.Buffer
		if done, err = d.UnsignedKeys(&unsigned, a.now); err == nil && !a.flags.dryRun {
			err = writeFile(o.out, unsigned.Bytes())
		}
		if err != nil {
			return nil, err
		}
	}
	return a.publishedKeys(dir, done, o.out)
}

func readSecretKey(path string) (*verify.SecretKey, error) {
	secret, err := readFile(path, verify.MaxKeyring)
	if err != nil {
		return nil, err
	}
	key, err := verify.ReadSecretKey(secret)
	clear(secret)
	if err != nil {
		return nil, &keyFileError{[]string{path}, true, err}
	}
	return key, nil
}

// publishedKeys is what publish keys did.
type publishedKeys struct {
	DryRun    bool                 `json:"dry_run,omitempty"`
	Channel   string               `json:"channel"`
	Version   uint64               `json:"version"`
	Expires   time.Time            `json:"expires"`
	Threshold int                  `json:"threshold"`
	Keys      []verify.Fingerprint `json:"keys"`
	Revoked   []verify.Fingerprint `json:"revoked,omitempty"`
	Serial    uint64               `json:"serial,omitempty"`
	InForce   bool                 `json:"in_force"`
	Before    publish.Quorum       `json:"signed_by_old"` // of the keys in force before
	Now       publish.Quorum       `json:"signed_by_new"`
	Missing   []verify.Fingerprint `json:"missing,omitempty"` // keys that may still sign the document, if more signatures are needed
	Manifest  publish.Quorum       `json:"manifest_signed_by_new"`
	Unsigned  []verify.Fingerprint `json:"manifest_missing,omitempty"` // keys that may still sign the manifest, if more signatures are needed
	Claims    []verify.Claim       `json:"signatures,omitempty"`
	Out       string               `json:"unsigned,omitempty"` // file with the bytes to sign
	Same      bool                 `json:"unchanged,omitempty"`

	dir string
}

func (a *app) publishedKeys(dir string, done publish.KeysSigned, out string) (result, error) {
	k := done.Keys
	if done.InForce && !done.Manifest.Reached() {
		a.Warn("channel.toml is not signed by enough of these keys, so users refuse it: kist publish sign %s --secret-key FILE", host.QuoteWords(dir))
	}
	r := publishedKeys{DryRun: a.flags.dryRun, Channel: k.Channel, Version: k.Version, Expires: k.Expires, Threshold: k.Threshold,
		Revoked: k.Revoked, Serial: k.Serial, InForce: done.InForce, Before: done.Old, Now: done.New, Missing: done.Missing,
		Manifest: done.Manifest, Unsigned: done.ManifestMissing, Claims: done.Claims, Out: out, Same: done.Unchanged, dir: dir}
	ring, err := k.Keyring()
	if err != nil {
		return nil, err
	}
	for _, pin := range ring.Pins() {
		r.Keys = append(r.Keys, pin.Primary)
	}
	return r, nil
}

func (r publishedKeys) text(p *term.Page) {
	state := "waits for signatures"
	switch {
	case r.DryRun && r.InForce:
		state = "would be in force"
	case r.DryRun:
		state = "would wait for signatures"
	case r.InForce:
		state = "in force"
	}
	p.Line("channel %s: version %d of its keys, valid until %s: %s", r.Channel, r.Version, r.Expires.UTC().Format(time.DateOnly), state)
	if r.Same {
		p.Line("it already has this signature")
	}
	for _, f := range r.Keys {
		field(p, "key", f.Spaced())
	}
	field(p, "threshold", fmt.Sprintf("%d of %d keys", r.Threshold, len(r.Keys)))
	for _, f := range r.Revoked {
		field(p, "revoked", f.Spaced())
	}
	if r.Serial > 0 {
		field(p, "manifests", fmt.Sprintf("restart from serial %d", r.Serial))
	}
	if !r.InForce {
		r.missingText(p)
	}
	if r.Out != "" {
		p.Line("sign it: gpg --armor --detach-sign %s", host.Quote(r.Out))
	}
}

// missingText writes which signatures are missing, and who must do what.
func (r publishedKeys) missingText(p *term.Page) {
	if r.Before.Need > 0 {
		keys := "required keys in force"
		if r.Version == 1 { // all that users may have
			keys = "keys that signed channel.toml"
		}
		field(p, "signed", fmt.Sprintf("by %d of %d %s", min(r.Before.Have, r.Before.Need), r.Before.Need, keys))
	}
	field(p, "signed", fmt.Sprintf("by %d of %d required new keys", min(r.Now.Have, r.Now.Need), r.Now.Need))
	if !r.Before.Reached() || !r.Now.Reached() {
		for _, f := range r.Missing {
			field(p, "not yet", f.Spaced())
		}
		field(p, "next", fmt.Sprintf("kist publish keys %s --secret-key FILE, by those who have not signed it", host.QuoteWords(r.dir)))
	}
	if r.Manifest.Reached() {
		return
	}
	field(p, "channel.toml", fmt.Sprintf("signed by %d of %d required new keys", r.Manifest.Have, r.Manifest.Need))
	for _, f := range r.Unsigned {
		field(p, "not yet", f.Spaced())
	}
	field(p, "next", fmt.Sprintf("kist publish sign %s --secret-key FILE, by %s", host.QuoteWords(r.dir), some(r.Manifest.Need-r.Manifest.Have, len(r.Unsigned))))
}
