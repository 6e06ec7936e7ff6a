package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/verify"
)

func (a *app) publishCommand() *cobra.Command {
	return a.family(publishing, "publish", "Make a channel of your own, for any static web server",
		`A channel is a directory with two files, channel.toml and its signature, and the
artifacts they name. Any web server, object store or mirror can serve it. What
a step leaves behind can also be made with a text editor and gpg.

  kist publish init DIR --channel acme
  kist publish add DIR zig-linux-x86_64-0.14.0.tar.xz --command zig
  kist publish sign DIR --secret-key secret.asc
  kist publish verify DIR`,
		a.publishInitCommand(), a.publishAddCommand(), a.publishListCommand(), a.publishEditCommand(), a.publishRemoveCommand(),
		a.publishSignCommand(), a.publishKeysCommand(), a.publishVerifyCommand(), a.publishPruneCommand())
}

// openPublished opens the directory of a channel. For a dry run it opens a temporary
// copy of the directory's state files, so that the same code runs on the copy.
func (a *app) openPublished(dir string) (d publish.Dir, closeDir func() error, err error) {
	root, err := openRoot(dir, false)
	if err != nil {
		return publish.Dir{}, nil, err
	}
	if !a.flags.dryRun {
		return publish.Dir{Root: root}, root.Close, nil
	}
	defer root.Close()
	scratch, remove, err := a.scratchDir()
	if err != nil {
		return publish.Dir{}, nil, err
	}
	for _, name := range publish.StateFiles() {
		data, err := readIn(root, name, manifests.MaxManifest)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = scratch.WriteFile(name, data, 0o600)
		}
		if err != nil {
			return publish.Dir{}, nil, errors.Join(err, remove())
		}
	}
	return publish.Dir{Root: scratch}, remove, nil
}

func (a *app) publishInitCommand() *cobra.Command {
	var channel string
	return a.command(verb{
		use: "init DIR --channel NAME", short: "Create a channel in a directory",
		example: "kist publish init public/ --channel acme",
		exits:   []int{0, 1, 2, 8},
		args:    exactly(1),
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&channel, "channel", "", "the `NAME` under which users will add it")
		},
		run: func(_ context.Context, args []string) (result, error) {
			if channel == "" {
				return nil, usage("publish init: name the channel with --channel NAME")
			}
			if err := manifests.ValidName(channel); err != nil {
				return nil, usage("publish init: name %v", err)
			}
			if trust.IsBuiltin(channel) || trust.IsBuiltinChannel(channel) {
				return nil, &trust.BuiltinError{Name: channel}
			}
			root, err := openRoot(args[0], true)
			if err != nil {
				return nil, err
			}
			defer root.Close()
			if err := (publish.Dir{Root: root}).Init(channel); err != nil {
				return nil, err
			}
			return publishBegun{args[0], channel}, nil
		},
	})
}

type publishBegun struct {
	Dir     string `json:"dir"`
	Channel string `json:"channel"`
}

func (r publishBegun) text(p *term.Page) {
	p.Line("created channel %s in %s; add a release with kist publish add", r.Channel, r.Dir)
}

func (a *app) publishSignCommand() *cobra.Command {
	var o signOptions
	return a.command(verb{
		use:   "sign DIR --secret-key FILE | --unsigned-out FILE | --attach SIGNATURE",
		short: "Sign what was added, here or elsewhere",
		long: `Gives the manifest the next serial and its dates, and signs it. It is published
once enough keys have signed it: as many as keys.toml requires, or without
keys.toml all that signed the published manifest. Until then it waits in
channel.next.toml: pass the directory on, and have the next signer run this
command. To sign on another machine or with a smart card, write the exact bytes
with --unsigned-out, sign them there (gpg --armor --detach-sign FILE), and add the
signature with --attach. A secret key file must have no passphrase.`,
		example: "kist publish sign public/ --secret-key secret.asc",
		exits:   []int{0, 1, 2, 3, 4, 5, 8},
		args:    exactly(1),
		changes: true,
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&o.secret, "secret-key", "", "sign with the secret key in `FILE`")
			f.StringVar(&o.out, "unsigned-out", "", "write what is to be signed to `FILE`")
			f.StringVar(&o.attach, "attach", "", "add the signature in `FILE`")
			f.StringArrayVar(&o.keys, "key", nil, "with --attach: a `FILE` of public keys to verify it with (repeatable)")
			f.IntVar(&o.days, "days", int(publish.DefaultValidity.Hours()/24), "how long it is fresh: `N` days")
		},
		run: func(_ context.Context, args []string) (result, error) { return a.publishSign(args[0], o) },
	})
}

type signOptions struct {
	secret, out, attach string
	keys                []string
	days                int
}

func (o signOptions) check() error {
	ways := 0
	for _, way := range []string{o.secret, o.out, o.attach} {
		if way != "" {
			ways++
		}
	}
	switch {
	case ways != 1:
		return usage("publish sign: want one of --secret-key, --unsigned-out and --attach")
	case len(o.keys) > 0 && o.attach == "":
		return usage("publish sign: --key goes with --attach")
	case o.days < 1 || time.Duration(o.days)*24*time.Hour > verify.MaxLife:
		return usage("publish sign: --days %d: want 1 to %d", o.days, int(verify.MaxLife.Hours()/24))
	}
	return nil
}

// publishSigned is what publish sign did.
type publishSigned struct {
	DryRun    bool                 `json:"dry_run,omitempty"`
	Mark      verify.Mark          `json:"mark"`
	Published bool                 `json:"published"`
	Signers   *publish.Quorum      `json:"signers,omitempty"` // of those who must sign
	Missing   []verify.Fingerprint `json:"missing,omitempty"` // keys that have not signed, if more signatures are needed
	Claims    []verify.Claim       `json:"signatures,omitempty"`
	Unsigned  string               `json:"unsigned,omitempty"` // file with the bytes to sign
	Cosigned  bool                 `json:"cosigned,omitempty"`
	Unproved  bool                 `json:"unproved,omitempty"`
	Same      bool                 `json:"unchanged,omitempty"`
	Keys      uint64               `json:"keys_in_force,omitempty"` // version of the keys that came into force

	dir string
}

func (r publishSigned) text(p *term.Page) {
	edition := fmt.Sprintf("channel %s: %s", r.Mark.Channel, freshness(r.Mark))
	switch {
	case r.DryRun && r.Unsigned != "":
		p.Line("would write %s to %s", edition, r.Unsigned)
	case r.Unsigned != "":
		p.Line("%s: wrote %s", edition, r.Unsigned)
		p.Line("sign it: gpg --armor --detach-sign %s", host.Quote(r.Unsigned))
	case r.DryRun && r.Published:
		p.Line("would sign %s", edition)
	case r.DryRun:
		p.Line("would sign %s, which would then wait for more signatures", edition)
	case r.Same && r.Published:
		p.Line("%s: already has this signature", edition)
	case r.Cosigned && r.Published:
		p.Line("%s: signature added", edition)
	case r.Published:
		p.Line("%s: signed", edition)
	case r.Same:
		p.Line("%s: already has this signature; waits for more signatures in %s", edition, publish.NextFile)
	default:
		p.Line("%s: signed; waits for more signatures in %s; until then users get the manifest published before", edition, publish.NextFile)
	}
	for _, c := range r.Claims {
		who := c.KeyID
		if c.Issuer != "" {
			who = c.Issuer.Spaced()
		}
		field(p, "signed by", who)
	}
	if r.Signers != nil && !r.Published {
		field(p, "signed", fmt.Sprintf("by %d of %d required keys", r.Signers.Have, r.Signers.Need))
		for _, f := range r.Missing {
			field(p, "not yet", f.Spaced())
		}
		field(p, "next", fmt.Sprintf("kist publish sign %s --secret-key FILE, by %s", host.QuoteWords(r.dir), some(r.Signers.Need-r.Signers.Have, len(r.Missing))))
	}
	if r.Keys > 0 {
		p.Line("version %d of the keys is now in force", r.Keys)
	}
}

// some names n of total keys, for a sentence.
func some(n, total int) string {
	switch {
	case n == total && total == 1:
		return "that key"
	case n == total:
		return "each of them"
	}
	return fmt.Sprintf("%d of them", n)
}

func (a *app) publishSign(dir string, o signOptions) (result, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	d, closeDir, err := a.openPublished(dir)
	if err != nil {
		return nil, err
	}
	defer closeDir()
	stamp := publish.Stamp{Now: a.now, Validity: time.Duration(o.days) * 24 * time.Hour}
	switch {
	case o.out != "":
		var bytes bytes.Buffer
		mark, err := d.Unsigned(&bytes, stamp)
		if err == nil && !a.flags.dryRun {
			err = writeFile(o.out, bytes.Bytes())
		}
		return publishSigned{DryRun: a.flags.dryRun, Mark: mark, Unsigned: o.out}, err
	case o.attach != "":
		sig, err := readFile(o.attach, manifests.MaxSignature)
		if err != nil {
			return nil, err
		}
		keys, err := readFiles(o.keys, verify.MaxKeyring)
		if err != nil {
			return nil, err
		}
		return a.signed(dir)(d.Attach(sig, a.now, keys...))
	}
	key, err := readSecretKey(o.secret)
	if err != nil {
		return nil, err
	}
	return a.signed(dir)(d.Sign(key, stamp))
}

// largeManifest is the size from which a publisher is warned that a manifest nears
// its limit.
const largeManifest = manifests.MaxManifest / 2

// signed returns a function that makes the result of signing the channel in dir.
func (a *app) signed(dir string) func(publish.Signed, error) (result, error) {
	return func(s publish.Signed, err error) (result, error) {
		if err != nil {
			return nil, err
		}
		a.warnOfKeys(s.Findings)
		if s.Unproved {
			a.Warn("the certificate of that signer is not known here, so the signature was not verified; give it with --key FILE")
		}
		if s.Dropped > 0 && !a.flags.dryRun {
			a.Warn("serial %d was waiting for signatures and is replaced by this manifest", s.Dropped)
		}
		if s.Size >= largeManifest {
			a.Warn("the manifest has %s of at most %s; remove old releases with kist publish remove", term.ByteSize(s.Size), term.ByteSize(manifests.MaxManifest))
		}
		return publishSigned{DryRun: a.flags.dryRun, Mark: s.Mark, Published: s.Published, Signers: &s.Signers, Missing: s.Missing, Claims: s.Claims,
			Cosigned: s.Cosigned, Unproved: s.Unproved, Same: s.Unchanged, Keys: s.Keys, dir: dir}, nil
	}
}
