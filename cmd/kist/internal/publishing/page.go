package publishing

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/cmd/kist/internal/pagetext"
	"github.com/kist-tools/kist/cmd/kist/internal/publishtext"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/verify"
)

func (a *verbs) publishPageCommand() *cobra.Command {
	var keys []string
	var where string
	v := publish.Verification{}
	return a.Command(cli.Verb{
		Use: "page DIR [--url URL] [--key FILE…] [--threshold N]", Short: "Write a page about the channel for people",
		Long: `Writes DIR/index.html, which shows the published releases, the keys with their
history, and how to add the channel and verify it by hand. The page needs no
script and loads nothing. kist proves the documents first, as publish verify
does, but reads no artifact. URL is where users find the channel; without it,
that of the page that is there. Only a page that kist wrote, and that nobody
changed since, is replaced.`,
		Example: `kist publish page public/ --url https://tools.acme.example/kist/
kist publish page public/`,
		Exits:     []int{0, 1, 2, 3, 4, 5, 8, 9},
		ExitMeans: map[int]string{3: "no such directory, file or release", 9: "index.html is not kist's, or was changed"},
		Args:      cli.Exactly(1),
		Changes:   true,
		Local:     true,
		Flags: func(f *pflag.FlagSet) {
			f.StringVar(&where, "url", "", "where users find the channel: `URL`, https or http")
			f.StringArrayVar(&keys, "key", nil, "public keys that users have, in `FILE` (repeatable)")
			f.IntVar(&v.Threshold, "threshold", 1, "how many of them must have signed: `N`")
		},
		Run: func(_ context.Context, args []string) (_ cli.Result, err error) {
			if v.Threshold < 1 {
				return nil, failure.Usage("publish page: --threshold %d: want at least 1", v.Threshold)
			}
			if v.Keys, err = namedfiles.ReadAll(keys, verify.MaxKeyring); err != nil {
				return nil, err
			}
			v.Now = a.Started
			return a.publishPage(args[0], where, v)
		},
	})
}

func (a *verbs) publishPage(dir, where string, v publish.Verification) (cli.Result, error) {
	root, err := namedfiles.OpenRoot(dir, false)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	d := publish.Dir{Root: root}
	earlier, err := d.Page()
	if err != nil {
		return nil, err
	}
	at, err := pageURL(where, earlier)
	if err != nil {
		return nil, err
	}
	c := pagetext.Channel{URL: at}
	if c.Report, err = d.Prove(v); err != nil {
		return nil, err
	}
	if c.History, err = d.History(v.Now); err != nil {
		return nil, err
	}
	a.WarnOfKeys(c.Findings)
	for _, file := range []string{publish.ManifestFile, publish.RotationFile} {
		if d.Has(file) {
			c.Files = append(c.Files, file, file+".asc")
		}
	}
	text, err := pagetext.HTML(c)
	if err != nil {
		return nil, err
	}
	size, err := d.PutPage(publish.Page{URL: at, Text: text}, a.Flags.DryRun)
	if err != nil {
		return nil, err
	}
	return publishtext.Page{DryRun: a.Flags.DryRun, Channel: c.Manifest.Channel, File: filepath.Join(dir, publish.PageFile),
		URL: at, Serial: c.Manifest.Serial, Bytes: size}, nil
}

// pageURL returns the URL of the channel's directory, as the user gave it or as the earlier
// page has it.
func pageURL(where string, earlier publish.Page) (string, error) {
	if where == "" {
		where = earlier.URL
	}
	if where == "" {
		return "", failure.Usage("publish page: say where users find the channel, with --url URL")
	}
	at, err := manifests.Locate(where, "/", publish.ManifestFile)
	if err == nil && !strings.HasPrefix(at, "https://") && !strings.HasPrefix(at, "http://") || manifests.Redact(at) != at {
		return "", failure.Usage("publish page: --url %s: want an https or http URL without a user name", manifests.Redact(where))
	}
	if err != nil {
		return "", failure.Usage("publish page: --url %v", err)
	}
	return strings.TrimSuffix(at, publish.ManifestFile), nil
}

// warnOfPage warns if the directory has a page of kist's that shows another edition than
// the published one.
func (a *verbs) warnOfPage(d publish.Dir, dir string) {
	if stale, err := d.HasStalePage(); err == nil && stale {
		a.Warn("%s shows an earlier edition; kist publish page %s writes it again", publish.PageFile, host.QuoteWords(dir))
	}
}
