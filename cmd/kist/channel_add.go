package main

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/manifests/upstreams"
	"github.com/kist-tools/kist/verify"
)

func (a *app) channelAddCommand() *cobra.Command {
	c := channels.Channel{}
	var keys []string
	return a.Command(cli.Verb{
		Use: "add NAME URL --key FILE…", Short: "Trust a channel, by keys you already hold",
		Long: `Fetches the channel's manifest, proves it with the keys in FILE, and only then
remembers the channel. URL is channel.toml, or the directory that contains it:
https, http, file, or a plain path. Keys come from files only, never from the
channel's own host; the primary key and the signing subkeys in FILE are pinned.
A user and password in URL are stored in a file of their own.

With --format the channel is a mirror or a private twin of a built-in upstream:
the same files in the same layout, signed by keys of your choice. URL stands in
for the upstream's own; --tools says which upstream it is a twin of.

With --format debian it is an archive of packages: URL names one of its suites,
…/dists/bookworm/. For a mirror of a built-in distribution, the keys that come
with kist apply if you give no --key.`,
		Example:    "kist channel add acme https://tools.acme.example/ --key acme.asc\nkist channel add acme ./public --key acme.asc --tools zig,zls",
		Exits:      []int{0, 2, 3, 4, 5, 6, 7, 8, 9},
		ExitMeans:  map[int]string{3: "no such file, or the channel offers none of the tools"},
		Args:       cli.Exactly(2),
		Changes:    true,
		FromBundle: true,
		Flags: func(f *pflag.FlagSet) {
			f.StringArrayVar(&keys, "key", nil, "a `FILE` of OpenPGP public keys that may sign (repeatable)")
			f.StringVar(&c.Format, "format", "native", "how the channel publishes: `FORMAT` is native, rust, debian, "+strings.Join(upstreams.MirrorFormats(), " or "))
			f.IntVar(&c.Threshold, "threshold", 1, "`N` of the keys must have signed")
			f.StringSliceVar(&c.Tools, "tools", nil, "tools it may provide, each `PATTERN` a name or the beginning of one and a * (repeatable, or with commas); default: every name that is not built in")
		},
		Values: map[string]completion.Completer{"format": completion.Words(channels.Formats()...), "tools": completion.List(completion.Builtin)},
		Run: func(ctx context.Context, args []string) (cli.Result, error) {
			c.Name = args[0]
			return a.channelAdd(ctx, c, args[1], keys)
		},
	})
}

// channelAdded is the result of channel add.
type channelAdded struct {
	shownChannel
	DryRun    bool `json:"dry_run,omitempty"`
	Unchanged bool `json:"unchanged,omitempty"` // the same channel existed already
}

func (r channelAdded) Render(p *term.Page) {
	switch {
	case r.Unchanged:
		p.Line("channel %s already exists; nothing was changed", r.Name)
	case r.DryRun:
		p.Line("would add channel %s", r.Name)
	default:
		p.Line("added channel %s", r.Name)
	}
	r.shownChannel.Render(p)
}

func (a *app) channelAdd(ctx context.Context, c channels.Channel, where string, keyFiles []string) (cli.Result, error) {
	cwd, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	c, ring, err := trust.NewChannel(c, where, cwd, keysIn(keyFiles), a.Started)
	if errors.Is(err, manifests.ErrInput) {
		return nil, failure.Usage("channel add: %v", err)
	}
	if err == nil {
		err = a.Desk(nil, &transport.Mirrored{}).CheckKeys(ring)
	}
	if err != nil {
		return nil, err
	}
	s, err := a.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	p, err := s.Desk.Add(ctx, c, ring)
	if err != nil {
		return nil, err
	}
	return channelAdded{shownChannel{s.Desk.DescribeProved(p)}, a.Flags.DryRun && !p.Existed, p.Existed}, nil
}

// keysIn returns a function that reads the public keys in files that the user named; nil
// if there are no files.
func keysIn(paths []string) func() (*verify.Keyring, error) {
	if len(paths) == 0 {
		return nil
	}
	return func() (*verify.Keyring, error) { return namedfiles.PublicKeys(paths, channels.MaxKey) }
}
