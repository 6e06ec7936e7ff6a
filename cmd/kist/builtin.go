package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/gosum"
	"github.com/kist-tools/kist/manifests/system"
	"github.com/kist-tools/kist/manifests/upstreams"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/keyrings"
)

// builtinChannel returns the built-in channel that provides a tool.
func builtinChannel(tool string) (string, bool) { return upstreams.ChannelOf(tool) }

func isBuiltin(tool string) bool {
	_, ok := builtinChannel(tool)
	return ok
}

func isBuiltinChannel(name string) bool {
	_, ok := upstreams.Lookup(name)
	return ok || name == system.Channel
}

// installable returns the argument of kist install for a tool: its bare name if it is
// built in, else the first distribution that has it and the name.
func (a *app) installable(tool string) (ref string, ok bool) {
	if isBuiltin(tool) {
		return tool, true
	}
	if distros := a.distrosOf(tool); len(distros) > 0 {
		return distros[0] + "/" + tool, true
	}
	return "", false
}

// distrosOf returns the distributions that have tool, the machine's own first.
func (a *app) distrosOf(tool string) []string {
	distros := upstreams.Distros(tool)
	own := func(name string) int {
		if u, ok := upstreams.Lookup(name); ok && a.Distro() != "" {
			words := strings.Fields(strings.ToLower(u.Origins[0].Name)) // "debian 12 (bookworm)"
			if len(words) > 1 && words[0]+words[1] == a.Distro() {
				return 0
			}
		}
		return 1
	}
	slices.SortStableFunc(distros, func(a, b string) int { return own(a) - own(b) })
	return distros
}

// builtinTools returns the names of the tools that built-in channels provide.
func builtinTools() (tools []string) {
	for _, name := range upstreams.Names() {
		if u, ok := upstreams.Lookup(name); ok && u.Tool != "" && !slices.Contains(tools, u.Tool) {
			tools = append(tools, u.Tool)
		}
	}
	return tools
}

// builtinOrigin binds a built-in channel to this machine. newer holds copies of its
// keys that are newer than those known, and may be nil.
func (a *app) builtinOrigin(ctx context.Context, s *session, name string, newer *verify.Keyring) (origin, error) {
	if name == system.Channel {
		return origin{}, &systemChannelError{}
	}
	u, ok := upstreams.Lookup(name)
	if !ok {
		return origin{}, fmt.Errorf("channel %s is not built in", name)
	}
	rules, err := a.rules(s)
	if err != nil {
		return origin{}, err
	}
	for _, r := range rules {
		if err := r.Allows(name, ""); err != nil {
			return origin{}, err
		}
	}
	admit := a.admit(rules, name)
	m := upstreams.Machine{Notify: a.sayWithCause}
	m.Admit = func(ring *verify.Keyring, threshold int) (*verify.Keyring, error) {
		ring, err := s.renewed(ring)
		if err == nil && newer != nil {
			ring, err = ring.Merge(newer)
		}
		if err != nil {
			return nil, err
		}
		return admit(ring, threshold)
	}
	if usesProxies := slices.ContainsFunc(u.Origins, func(o upstreams.Origin) bool { return o.ChecksumDB != "" }); usesProxies {
		proxies, err := gosum.ParseProxies(a.GoProxy(ctx))
		if err != nil {
			a.warn("%v; ignored", err)
		}
		m.GoProxies = proxies
	}
	o := origin{tool: u.Tool}
	if isDistro(u) {
		o.indices = a.indices(s, name)
		m.Apt, m.Arch, m.Indices = a.AptSources(), a.Platform.Arch, o.indices
	}
	source, err := u.Source(m)
	if err != nil {
		return origin{}, err
	}
	o.Channel = install.Channel{Name: name, Source: source}
	return o, nil
}

// isDistro reports whether a built-in channel is a distribution.
func isDistro(u upstreams.Upstream) bool { return u.Tool == "" }

// shownOrigin is one place that a built-in channel fetches from, and how its files are
// proved.
type shownOrigin struct {
	Name      string     `json:"name"`
	Proof     string     `json:"proof"`
	Threshold int        `json:"threshold,omitempty"`
	Keys      []shownKey `json:"keys,omitempty"`
	Database  string     `json:"database,omitempty"` // verifier key of a checksum database
	Suites    []string   `json:"suites,omitempty"`   // URLs of a distribution's suites, on the mirror that this machine uses
}

func (o shownOrigin) text(p *page) {
	field(p, "origin", o.Name)
	field(p, "  proof", o.Proof)
	field(p, "  database", o.Database)
	for _, suite := range o.Suites {
		field(p, "  suite", suite)
	}
	if o.Threshold > 0 {
		field(p, "  signatures", fmt.Sprintf("%d of %d keys", o.Threshold, len(o.Keys)))
	}
	keysText(p, o.Keys)
}

// builtinShown describes a built-in channel.
func (a *app) builtinShown(s *session, name string) shownChannel {
	if name == system.Channel {
		return shownChannel{Name: name, Builtin: true, Format: "the commands on PATH, as they are", Tools: system.Names(), Keys: []shownKey{}}
	}
	u, _ := upstreams.Lookup(name)
	shown := shownChannel{Name: name, Builtin: true, Format: "built in", Tools: u.Tools()}
	for _, o := range u.Origins {
		one := shownOrigin{Name: o.Name, Threshold: o.Threshold}
		switch {
		case o.ChecksumDB != "":
			one.Proof, one.Database = "the signed tree of a checksum database", o.ChecksumDB
		case o.Debian != nil:
			one.Proof = "an OpenPGP signature around the list of each suite"
			for _, suite := range o.Debian.Mirror(a.Platform.Arch, a.AptSources()) {
				one.Suites = append(one.Suites, suite.URL())
			}
			if len(one.Suites) == 0 {
				shown.Problem = "the apt sources of this machine name no mirror that has it"
			}
		case o.Rust != "":
			one.Proof = "a detached OpenPGP signature of each manifest"
		case o.Site != nil && len(o.Site().Lists) > 0:
			one.Proof = "an OpenPGP signature of each version's list of digests"
		default:
			one.Proof = "a detached OpenPGP signature of each file"
		}
		if ring, err := keyrings.Lookup(o.Keyring); o.Keyring != "" && err == nil {
			if newer, err := s.renewed(ring); err != nil {
				shown.Problem = err.Error()
			} else {
				ring = newer
			}
			one.Keys = describeKeys(ring)
			for i, k := range one.Keys {
				one.Keys[i].Source = keyrings.Source(o.Keyring, k.Primary)
			}
			shown.Keys = append(shown.Keys, one.Keys...)
		}
		shown.Origins = append(shown.Origins, one)
	}
	return shown
}

// A weakKeyError reports a key that cannot be used to sign for a channel.
type weakKeyError struct{ verify.Finding }

func (e *weakKeyError) Error() string {
	return fmt.Sprintf("key %s cannot be used: %s", e.Primary.Spaced(), e.Problem)
}

func (e *weakKeyError) Is(target error) bool { return target == verify.ErrUntrusted }

// userAhead is how long before a channel's key stops being valid a user is warned. A
// publisher, who can act on it, is warned much earlier.
const userAhead = 60 * 24 * time.Hour

// lint refuses keys that are not valid today, and warns of those that soon will not
// be.
func (a *app) lint(ring *verify.Keyring) error {
	findings := verify.LintWithin(ring, a.now, userAhead)
	for _, f := range findings {
		if f.Refuse {
			return &weakKeyError{f}
		}
	}
	a.warnOfKeys(findings)
	return nil
}

// warnOfKeys prints a warning for each finding. It tells a user what the key's owner
// should do, and a publisher what to do.
func (a *app) warnOfKeys(findings []verify.Finding) {
	who := "its owner should "
	if a.publishes() {
		who = ""
	}
	for _, f := range findings {
		a.warn("%s; %s%s", f.Problem, who, strings.TrimSuffix(f.Remedy, "."))
	}
}

// publishes reports whether the verb is a publish verb.
func (a *app) publishes() bool { return strings.HasPrefix(a.path, "publish ") }

// openKeys reads the files of public keys at paths, which the user named.
func openKeys(paths []string) (*verify.Keyring, error) {
	files, err := readFiles(paths, channels.MaxKey)
	if err != nil {
		return nil, err
	}
	ring, err := verify.OpenKeyring(files...)
	if err != nil {
		return nil, &keyFileError{Paths: paths, Err: err}
	}
	return ring, nil
}
