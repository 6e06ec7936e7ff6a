package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/verify"
)

func (a *app) publishVerifyCommand() *cobra.Command {
	var keys []string
	v := publish.Verification{}
	return a.command(verb{
		use: "verify DIR [--key FILE…] [--threshold N] [--partial]", short: "Verify a channel's directory as its users will",
		long: `Proves the signatures, the format, the freshness, and the size and digest of
every artifact in DIR; then plans every release for every platform, and unpacks
it as an install would. Without --key, by the keys of its keys.toml, else of its
publisher.asc. With --partial, for a mirror, files may be missing.`,
		example: `kist publish verify public/
kist publish verify mirror/ --partial --key alice.asc --key bob.asc --threshold 2`,
		exits: []int{0, 1, 2, 3, 4, 5, 8},
		args:  exactly(1),
		local: true,
		flags: func(f *pflag.FlagSet) {
			f.StringArrayVar(&keys, "key", nil, "a `FILE` of public keys that users were given (repeatable)")
			f.IntVar(&v.Threshold, "threshold", 1, "how many of these keys must have signed: `N`")
			f.BoolVar(&v.Partial, "partial", false, "accept missing files, and report how many were checked")
		},
		run: func(ctx context.Context, args []string) (result, error) {
			if v.Threshold < 1 {
				return nil, usage("publish verify: --threshold %d: want at least 1", v.Threshold)
			}
			return a.withPublished(args[0], func(d publish.Dir) (_ result, err error) {
				if v.Keys, err = readFiles(keys, verify.MaxKeyring); err != nil {
					return nil, err
				}
				v.Now = a.now
				report, err := d.Verify(v)
				if err != nil {
					return nil, err
				}
				unpacked, err := a.unpacker().Releases(ctx, d, report)
				if err != nil {
					return nil, err
				}
				a.warnOfKeys(report.Findings)
				return publishVerified{report.Manifest.Channel, len(report.Manifest.Releases), unpacked, report}, nil
			})
		},
	})
}

// publishVerified is what publish verify checked successfully.
type publishVerified struct {
	Channel  string `json:"channel"`
	Releases int    `json:"releases"`
	Unpacked int    `json:"unpacked"` // number of different toolchains unpacked
	publish.Report
}

func (r publishVerified) text(p *term.Page) {
	p.Line("channel %s · %s", r.Channel, proof(r.Evidence))
	p.Line("%s; %s of %s, as they were signed", term.Count(r.Releases, "release"), term.Count(r.Files, "file"), term.ByteSize(r.Bytes))
	p.Line("%s unpacked, as an install would", term.Count(r.Unpacked, "toolchain"))
	if r.Missing > 0 {
		field(p, "note", fmt.Sprintf("%d of %d files are here and were checked; %d missing", r.Files, r.Files+r.Missing, r.Missing))
	}
	if r.Elsewhere > 0 {
		field(p, "note", fmt.Sprintf("%s at other URLs, not checked", term.Count(r.Elsewhere, "artifact")))
	}
	for _, note := range r.Notes {
		field(p, "note", note)
	}
}

func (a *app) publishPruneCommand() *cobra.Command {
	return a.command(verb{
		use: "prune DIR", short: "Remove the files that no release uses any more",
		long: `Removes the files below DIR/blobs that neither the published manifest nor a draft
or waiting one names. Only a file in a directory named after its digest is
removed; other files that no manifest names are kept and listed (exit 10).`,
		example: "kist publish prune public/",
		exits:   []int{0, 1, 2, 3, 4, 8, 10},
		args:    exactly(1),
		changes: true,
		run: func(_ context.Context, args []string) (result, error) {
			root, err := openRoot(args[0], false)
			if err != nil {
				return nil, err
			}
			defer root.Close()
			done, err := publish.Dir{Root: root}.Prune(a.flags.dryRun)
			if err == nil && len(done.Kept) > 0 {
				err = &plainError{"kept", fmt.Sprintf("kept %s that no release names: not in a directory named after its digest", term.Count(len(done.Kept), "file"))}
			}
			return publishPruned{a.flags.dryRun, done}, err
		},
	})
}

// publishPruned is what publish prune did.
type publishPruned struct {
	DryRun bool `json:"dry_run,omitempty"`
	publish.Pruned
}

func (r publishPruned) text(p *term.Page) {
	did := would(r.DryRun, "remove", "removed")
	for _, name := range r.Removed {
		p.Line("%s %s", did, name)
	}
	for _, name := range r.Kept {
		p.Line("kept %s", name)
	}
	p.Line("%s %s, %s", did, term.Count(len(r.Removed), "file"), term.ByteSize(r.Bytes))
}
