package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/upstreams"
	"github.com/kist-tools/kist/verify"
)

func (a *app) channelAddCommand() *cobra.Command {
	c := channels.Channel{}
	var keys []string
	return a.command(verb{
		use: "add NAME URL --key FILE…", short: "Trust a channel, by keys you already hold",
		long: `Fetches the channel's manifest, proves it by the keys in FILE, and only then
remembers the channel. URL is channel.toml, or the directory that contains it:
https, http, file, or a plain path. Keys come from files only, never from the
channel's own host; the primary key and the signing subkeys in FILE are pinned.

With --format the channel is a mirror or a private twin of a built-in upstream:
the same files in the same layout, signed by keys of your choice. URL stands in
for the upstream's own; --tools says which upstream it is a twin of.

With --format debian it is an archive of packages: URL names one of its suites,
…/dists/bookworm/. For a mirror of a built-in distribution, the keys that come
with kist count where no --key is given.`,
		example: "kist channel add acme https://tools.acme.example/ --key acme.asc",
		exits:   []int{0, 2, 3, 4, 5, 6, 7, 8, 9},
		args:    exactly(2),
		changes: true,
		flags: func(f *pflag.FlagSet) {
			f.StringArrayVar(&keys, "key", nil, "a `FILE` of OpenPGP public keys that may sign (repeatable)")
			f.StringVar(&c.Format, "format", "native", "how the channel publishes: `FORMAT` is native, rust, debian, "+strings.Join(upstreams.MirrorFormats(), " or "))
			f.IntVar(&c.Threshold, "threshold", 1, "`N` of the keys must have signed")
			f.StringSliceVar(&c.Tools, "tools", nil, "tools it may provide, each `PATTERN` a name or the beginning of one and a *; default: every name that is not built in")
		},
		values: map[string]completer{"format": words(channels.Formats()...), "tools": list(words(builtinTools()...))},
		run: func(ctx context.Context, args []string) (result, error) {
			c.Name = args[0]
			return a.channelAdd(ctx, c, args[1], keys)
		},
	})
}

// A takenError reports that a different channel of that name exists already.
type takenError struct{ Name string }

func (e *takenError) Error() string {
	return fmt.Sprintf("channel %s already exists, with another URL, keys, threshold, tools or format", e.Name)
}

// channelAdded is the result of channel add.
type channelAdded struct {
	shownChannel
	DryRun    bool `json:"dry_run,omitempty"`
	Unchanged bool `json:"unchanged,omitempty"` // the same channel existed already
}

func (r channelAdded) text(p *page) {
	switch {
	case r.Unchanged:
		p.line("channel %s already exists; nothing was changed", r.Name)
	case r.DryRun:
		p.line("would add channel %s", r.Name)
	default:
		p.line("added channel %s", r.Name)
	}
	r.shownChannel.text(p)
}

func (a *app) channelAdd(ctx context.Context, c channels.Channel, where string, keyFiles []string) (result, error) {
	ring, err := a.newChannel(&c, where, keyFiles)
	if err != nil {
		return nil, err
	}
	s, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	have, err := a.added(s, c.Name)
	var unknown *channels.UnknownChannelError
	switch {
	case err == nil && have.Equal(c):
		return channelAdded{shownChannel: a.describeChannel(s, have), Unchanged: true}, nil
	case err == nil:
		return nil, &takenError{c.Name}
	case !errors.As(err, &unknown):
		return nil, err
	}
	o, err := a.bind(s, c, ring)
	if err != nil {
		return nil, err
	}
	if a.flags.dryRun {
		_, _, shown, err := a.proveAdded(ctx, s, o)
		if err != nil {
			return nil, err
		}
		return channelAdded{shownChannel: shown, DryRun: true}, nil
	}
	if err := s.Writable(channels.Dirs()...); err != nil {
		return nil, err
	}
	before, _ := s.Mark(o.Channel) // a damaged mark counts as none
	proved, keep, shown, err := a.proveAdded(ctx, s, o)
	if err == nil {
		err = s.remember(ctx, *proved.added, proved.keys)
	}
	if err != nil {
		return nil, errors.Join(err, s.unmark(context.WithoutCancel(ctx), o, before))
	}
	for _, store := range keep {
		if err := store(); err != nil {
			a.warn("what proved channel %s is not kept for --offline: %v", c.Name, err)
		}
	}
	return channelAdded{shownChannel: shown}, nil
}

// proveAdded proves every line of a channel that is being added, and stores its mark.
// It returns o with the newest keys that the channel publishes, functions that store
// the documents that proved it, and its description.
func (a *app) proveAdded(ctx context.Context, s *session, o origin) (proved origin, keep []func() error, shown shownChannel, err error) {
	for _, q := range o.proofs(a.request(toolRef{})) {
		t, store, err := a.documents(s, o, q)
		if err != nil {
			return o, nil, shown, err
		}
		if o, _, err = a.rotate(ctx, s, t, o); err != nil {
			return o, nil, shown, err
		}
		cat, _, err := s.Renew(ctx, t, o.Channel, q)
		if err != nil {
			return o, nil, shown, err
		}
		a.tellOffered(*o.added, cat)
		mark := cat.Mark()
		keep, shown = append(keep, store), a.shown(s, o, &mark)
	}
	return o, keep, shown, nil
}

// unmark removes the mark of a channel that could not be added, unless it had one
// before.
func (s *session) unmark(ctx context.Context, o origin, before verify.Mark) error {
	if now, err := s.Mark(o.Channel); err != nil || now.IsZero() || !before.IsZero() {
		return nil
	}
	_, err := s.DropMark(ctx, o.Name)
	return err
}

// newChannel validates what the user typed, before any directory is opened or the
// network is asked.
func (a *app) newChannel(c *channels.Channel, where string, keyFiles []string) (*verify.Keyring, error) {
	if err := manifests.ValidName(c.Name); err != nil {
		return nil, usage("channel add: name %v", err)
	}
	if isBuiltinChannel(c.Name) || isBuiltin(c.Name) {
		return nil, &builtinError{c.Name}
	}
	cwd, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	var format *formatError
	if err := locateChannel(c, where, cwd); errors.As(err, &format) {
		return nil, err
	} else if err != nil {
		return nil, usage("channel add: %v", err)
	}
	files, known, err := builtinKeys(*c)
	switch {
	case err != nil:
		return nil, err
	case len(keyFiles) > 0:
		if files, err = readFiles(keyFiles, channels.MaxKey); err != nil {
			return nil, err
		}
	case !known:
		return nil, usage("channel add: name the keys that may sign with --key FILE")
	}
	ring, err := verify.OpenKeyring(files...)
	if err != nil {
		return nil, &keyFileError{Paths: keyFiles, Err: err}
	}
	if err := ring.Distinct(); err != nil {
		return nil, usage("channel add: %v", err)
	}
	c.Pins, c.Added = ring.Pins(), a.now
	if err := c.Validate(); err != nil {
		return nil, usage("channel add: %v", err)
	}
	ring, err = verify.NewKeyring(c.Pins, files...)
	if err != nil {
		return nil, err
	}
	return ring, a.lint(ring)
}

// A formatError reports that this kist cannot add channels of a format.
type formatError struct{ Format string }

func (e *formatError) Error() string {
	return fmt.Sprintf("channels of format %q cannot be added yet", e.Format)
}

// remember stores a channel and its keys.
func (s *session) remember(ctx context.Context, c channels.Channel, ring *verify.Keyring) error {
	root, err := s.Config(true)
	if err != nil {
		return err
	}
	return s.locked(ctx, func() error { return channels.Store{Root: root}.Put(c, ring) })
}

// locked runs change under kist's lock.
func (s *session) locked(ctx context.Context, change func() error) error {
	unlock, err := s.Lock(ctx)
	if err != nil {
		return err
	}
	return errors.Join(change(), unlock())
}

// tellOffered prints which tools the channel offers, and warns if there are none.
func (a *app) tellOffered(c channels.Channel, cat manifests.Catalog) {
	var tools []string
	for _, v := range cat.Versions("") {
		if !slices.Contains(tools, v.Tool) {
			tools = append(tools, v.Tool)
		}
	}
	if len(tools) == 0 {
		a.warn("channel %s offers none of the tools that it may provide (--tools)", c.Name)
		return
	}
	const most = 12
	rest := ""
	if len(tools) > most {
		rest = fmt.Sprintf(" and %d more", len(tools)-most)
		tools = tools[:most]
	}
	a.say("channel %s offers %s%s", c.Name, strings.Join(tools, ", "), rest)
}
