package main

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/manifests/upstreams"
	"github.com/kist-tools/kist/verify"
)

func (a *app) channelCommand() *cobra.Command {
	return a.family(trusting, "channel", "Manage channels and their keys", `A channel is a named origin of tools with its own trust: where its signed
manifest is, whose OpenPGP keys may sign it, how many must, and for which tools
it may speak.`,
		a.channelAddCommand(), a.channelListCommand(), a.channelShowCommand(),
		a.channelRefreshCommand(), a.channelRemoveCommand())
}

// shownChannel is a channel as kist prints it.
type shownChannel struct {
	Name      string        `json:"name"`
	Builtin   bool          `json:"builtin,omitempty"`
	URL       string        `json:"url,omitempty"` // without user, password and query
	Format    string        `json:"format"`
	Threshold int           `json:"threshold,omitempty"`
	Tools     []string      `json:"tools"` // granted patterns; empty: every name that is not built in
	Keys      []shownKey    `json:"keys"`
	Origins   []shownOrigin `json:"origins,omitempty"` // of a built-in channel, in the order kist tries them
	Mark      *verify.Mark  `json:"mark,omitempty"`    // the newest manifest seen
	// Rotation tells how the channel's keys documents changed the keys that it was
	// added with.
	Rotation *shownRotation `json:"rotation,omitempty"`
	Problem  string         `json:"problem,omitempty"`
	Added    time.Time      `json:"added,omitzero"`
}

type shownKey struct {
	Primary verify.Fingerprint   `json:"primary"`
	Subkeys []verify.Fingerprint `json:"subkeys,omitempty"` // signing subkeys
	UserID  string               `json:"user_id,omitempty"`
	Expires time.Time            `json:"expires,omitzero"`
	// SubkeysExpire maps subkeys to their expiry, as this copy of the key states it.
	SubkeysExpire map[verify.Fingerprint]time.Time `json:"subkeys_expire,omitempty"`
	Revoked       string                           `json:"revoked,omitempty"` // when, and why
	Source        string                           `json:"source,omitempty"`  // where kist's own copy was taken from
	// Weak reports that a self-signature of the key is too weak to count by itself, so
	// that the key is trusted by its pinned fingerprint.
	Weak bool `json:"weak,omitempty"`
}

// describeChannel describes a channel that the user added. An error in its keys or
// mark is put in its Problem, for list and show to print.
func (a *app) describeChannel(s *session, c channels.Channel) shownChannel {
	shown := describeSettings(c)
	b, err := s.desk.Bind(c)
	var mark verify.Mark
	if err == nil {
		shown.Keys = describeKeys(b.Keys)
		mark, err = s.Mark(b.Channel)
	}
	if err != nil {
		shown.Problem = err.Error()
	}
	return shown.withMark(mark)
}

// describeProved describes p, whose newest manifest has just been proved.
func (a *app) describeProved(s *session, p trust.Proved) shownChannel {
	if p.Settings == nil {
		return a.describeBuiltin(s, p.Name).withMark(p.Mark)
	}
	shown := describeSettings(*p.Settings)
	shown.Keys = describeKeys(p.Keys)
	return shown.withMark(p.Mark)
}

func (c shownChannel) withMark(m verify.Mark) shownChannel {
	if !m.IsZero() {
		c.Mark = &m
	}
	return c
}

// describeSettings describes c by its settings alone.
func describeSettings(c channels.Channel) shownChannel {
	pins, threshold := c.Trusted()
	shown := shownChannel{
		Name: c.Name, URL: c.Redacted(), Format: c.Format, Threshold: threshold, Tools: append([]string{}, c.Tools...), Added: c.Added,
		Rotation: describeRotation(c),
	}
	for _, pin := range pins {
		shown.Keys = append(shown.Keys, shownKey{Primary: pin.Primary, Subkeys: pin.Subkeys})
	}
	return shown
}

// describeKeys describes each certificate of ring with its pins.
func describeKeys(ring *verify.Keyring) (keys []shownKey) {
	pins := ring.Pins()
	for i, c := range ring.Certificates() {
		k := shownKey{Primary: c.Fingerprint, Subkeys: pins[i].Subkeys, UserID: c.UserID, Expires: c.Expires, Revoked: c.Revoked, Weak: c.Weak,
			SubkeysExpire: map[verify.Fingerprint]time.Time{}}
		for _, sub := range c.Subkeys {
			k.Weak = k.Weak || sub.Weak
			if !sub.Expires.IsZero() {
				k.SubkeysExpire[sub.Fingerprint] = sub.Expires
			}
		}
		keys = append(keys, k)
	}
	return keys
}

func (c shownChannel) text(p *term.Page) {
	p.Line("%s", c.Name)
	field(p, "url", c.URL)
	field(p, "format", c.Format)
	switch {
	case len(c.Tools) > 0:
		field(p, "tools", strings.Join(c.Tools, ", "))
	default:
		field(p, "tools", "every name that is not built in")
	}
	if c.Threshold > 0 {
		field(p, "signatures", fmt.Sprintf("%d of %d keys", c.Threshold, len(c.Keys)))
	}
	for _, o := range c.Origins {
		o.text(p)
	}
	if len(c.Origins) == 0 {
		keysText(p, c.Keys)
	}
	if c.Rotation != nil {
		c.Rotation.text(p)
	}
	if c.Mark != nil {
		field(p, "manifest", freshness(*c.Mark))
	}
	field(p, "problem", c.Problem)
	if !c.Added.IsZero() {
		field(p, "added", c.Added.Local().Format(time.DateTime))
	}
}

func keysText(p *term.Page, keys []shownKey) {
	for _, k := range keys {
		field(p, "key", k.Primary.Spaced())
		field(p, "  name", k.UserID)
		for _, sub := range k.Subkeys {
			text := sub.Spaced()
			if end, ok := k.SubkeysExpire[sub]; ok {
				text += " · expires " + day(end)
			}
			field(p, "  subkey", text)
		}
		field(p, "  expires", day(k.Expires))
		field(p, "  note", k.Revoked)
		field(p, "  copied from", k.Source)
		if k.Weak {
			field(p, "  note", "its own signatures use SHA-1: it is trusted by the fingerprints above alone")
		}
	}
}

// day formats the date on which a key expires, in UTC.
func day(end time.Time) string {
	if end.IsZero() {
		return "never"
	}
	return end.UTC().Format(time.DateOnly)
}

type channelList struct {
	Channels []shownChannel `json:"channels"`

	verbose bool // print every detail of each
}

func (r channelList) text(p *term.Page) {
	for i, c := range r.Channels {
		if r.verbose && i > 0 {
			p.Line("")
		}
		if r.verbose {
			c.text(p)
		}
	}
	if r.verbose {
		return
	}
	rows := [][]string{{"CHANNEL", "FORMAT", "TOOLS", "SIGNED BY", "MANIFEST"}}
	for _, c := range r.Channels {
		tools := strings.Join(c.Tools, " ")
		if tools == "" {
			tools = "(not built in)"
		}
		state := c.Problem
		if state == "" && c.Mark != nil {
			state = freshness(*c.Mark)
		}
		need := c.Threshold
		for _, o := range c.Origins {
			need = max(need, o.Threshold)
		}
		who := fmt.Sprintf("%d of %d keys", need, len(c.Keys))
		if len(c.Keys) == 1 {
			who = c.Keys[0].Primary.Spaced()
		}
		rows = append(rows, []string{c.Name, c.Format, tools, who, state})
	}
	p.Table(rows)
}

func (a *app) channelListCommand() *cobra.Command {
	return a.command(verb{
		use: "list", aliases: []string{"ls"}, short: "List every channel: yours and the built-in ones",
		long: `Lists your channels and the built-in ones. With -v, prints each channel in full:
every key, whose it is, when it expires, and for a built-in channel where kist's copy
of the key is from.`,
		example: "kist channel list -v",
		exits:   []int{0, 1, 2, 8, 9},
		args:    exactly(0),
		run: a.withSession(func(ctx context.Context, s *session, _ []string) (result, error) {
			added, err := s.desk.Channels()
			if err != nil {
				return nil, err
			}
			r := channelList{Channels: []shownChannel{}, verbose: a.Verbose}
			for _, c := range added {
				r.Channels = append(r.Channels, a.describeChannel(s, c))
			}
			for _, name := range upstreams.Names() {
				r.Channels = append(r.Channels, a.describeBuiltin(s, name))
			}
			return r, nil
		}),
	})
}

func (a *app) channelShowCommand() *cobra.Command {
	return a.command(verb{
		use: "show NAME", short: "Show whose keys a channel trusts, in full, and how fresh it is",
		example:  "kist channel show go",
		exits:    []int{0, 1, 2, 3, 8, 9},
		args:     exactly(1),
		complete: completion.First(a.completeChannels),
		run: a.withSession(func(ctx context.Context, s *session, args []string) (result, error) {
			if trust.IsBuiltinChannel(args[0]) {
				return a.describeBuiltin(s, args[0]), nil
			}
			c, err := s.desk.Added(args[0])
			if err != nil {
				return nil, err
			}
			return a.describeChannel(s, c), nil
		}),
	})
}

func (a *app) channelRemoveCommand() *cobra.Command {
	return a.command(verb{
		use: "remove NAME", aliases: []string{"rm"}, short: "Forget a channel; what it installed stays",
		long: `Forgets a channel's settings, its keys and the newest manifest seen. Toolchains
installed from it stay, and can be verified and uninstalled as ever.`,
		example:  "kist channel remove acme",
		exits:    []int{0, 1, 2, 3, 7, 8, 9, 10},
		args:     exactly(1),
		complete: completion.First(a.completeAdded),
		changes:  true,
		run: a.withSession(func(ctx context.Context, s *session, args []string) (result, error) {
			return a.channelRemove(ctx, s, args[0])
		}),
	})
}

type channelRemoved struct {
	DryRun  bool     `json:"dry_run,omitempty"`
	Removed string   `json:"removed"`
	Stays   []string `json:"stays,omitempty"` // releases installed from it

	Kept []install.Drift `json:"kept,omitempty"`
}

func (r channelRemoved) text(p *term.Page) {
	if r.DryRun {
		p.Line("would forget channel %s", r.Removed)
	} else {
		p.Line("forgot channel %s", r.Removed)
	}
	for _, ref := range r.Stays {
		p.Line("%s stays installed", ref)
	}
	did := "kept"
	if r.DryRun {
		did = "would keep"
	}
	for _, k := range r.Kept {
		p.Line("%s %s (%s)", did, k.Path, k.Reason)
	}
}

func (a *app) channelRemove(ctx context.Context, s *session, name string) (result, error) {
	if trust.IsBuiltinChannel(name) {
		return nil, &trust.BuiltinError{Name: name}
	}
	r := channelRemoved{DryRun: a.flags.dryRun, Removed: name}
	for _, have := range s.state.Installed() {
		if have.Channel == name {
			r.Stays = append(r.Stays, have.Ref())
		}
	}
	files, err := s.desk.Remove(ctx, name)
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		r.Kept = append(r.Kept, install.Drift{Path: filepath.Join(a.Dirs.Config, "kist", filepath.FromSlash(file)), Reason: "not kist's"})
	}
	var left []install.Drift
	if a.flags.dryRun {
		left, err = s.StoredMark(name)
	} else {
		left, err = s.DropMark(ctx, name)
	}
	r.Kept = append(r.Kept, left...)
	return r, cmp.Or(err, kept(r.Kept, a.flags.dryRun))
}
