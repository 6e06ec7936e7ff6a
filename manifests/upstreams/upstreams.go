// Package upstreams is the built-in table: which upstream publishes which tool, which
// keys prove it, and how its toolchains are laid out. It is data; each format has a
// package that reads it.
//
// An upstream may have several origins: places that publish the same releases, each
// with its own proof. They are tried in order. The next one is tried only if an origin
// has nothing to prove, because it cannot be reached or does not have the requested
// version; a failed proof ends the search. Data of different origins is never mixed.
package upstreams

import (
	"fmt"
	"maps"
	"slices"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/debian"
	"github.com/kist-tools/kist/manifests/gosum"
	"github.com/kist-tools/kist/manifests/internal/signedfiles"
	"github.com/kist-tools/kist/manifests/rust"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/keyrings"
)

// An Upstream is a built-in channel and what it provides.
type Upstream struct {
	Channel string
	Tool    string   // "" for a distribution, which provides several; see Tools
	Origins []Origin // in the order in which they are tried
	// MissingKeys says why the row is not a built-in channel: kist lacks the keys. With
	// keys supplied by the user, it works as a Mirror.
	MissingKeys string
}

// IsDistro reports whether u is a distribution, which provides several tools.
func (u Upstream) IsDistro() bool { return u.Tool == "" }

// An Origin is one place of an upstream, in exactly one format.
type Origin struct {
	Name      string // for display
	Keyring   string // in verify/keyrings, for formats proved by OpenPGP
	Threshold int    // how many of its keys must sign

	Site       func() signedfiles.Site // whose files are signed
	Rust       string                  // URL of the stable channel manifest
	Debian     *debian.Distribution
	ChecksumDB string // the verifier key of the database that proves Go modules
}

// URLs returns where o is: the beginnings of its URLs, or the URLs themselves. It is empty
// for a distribution, whose mirrors apt's sources name, and for module proxies.
func (o Origin) URLs() []string {
	switch {
	case o.Rust != "":
		return []string{o.Rust}
	case o.Site != nil:
		return o.Site().Beginnings()
	}
	return nil
}

// Machine describes the machine to the sources of the table.
type Machine struct {
	// GoProxies are the module proxies configured in the machine's own Go; see
	// gosum.ParseProxies.
	GoProxies []gosum.Proxy
	// Apt holds the machine's apt sources, which give the mirrors of distributions, and
	// Arch its architecture in dpkg's spelling.
	Apt  []debian.AptSource
	Arch string
	// Indices caches the indices of distributions. May be nil.
	Indices debian.Cache
	// Admit returns the keys of an origin that may be used; threshold is how many must
	// sign. May be nil: all may be used.
	Admit func(keys *verify.Keyring, threshold int) (*verify.Keyring, error)
	// Notify receives a line when an origin could not be reached and the next one is
	// tried, and the cause; or a line about a mirror's missing suites. May be nil.
	Notify func(line, cause string)
}

func (m Machine) notifyLine(line string) {
	if m.Notify != nil {
		m.Notify(line, "")
	}
}

// Names returns the built-in channels, in order.
func Names() []string {
	var names []string
	for _, u := range table() {
		if u.MissingKeys == "" {
			names = append(names, u.Channel)
		}
	}
	slices.Sort(names)
	return names
}

// Provided returns the tools that built-in channels provide, each with its channel, the
// first in order. A caller that asks about many tools calls it once.
func Provided() map[string]string {
	channelOf := map[string]string{}
	for _, u := range table() {
		if u.Tool == "" || u.MissingKeys != "" {
			continue
		}
		if have, ok := channelOf[u.Tool]; !ok || u.Channel < have {
			channelOf[u.Tool] = u.Channel
		}
	}
	return channelOf
}

// Lookup returns the built-in channel of this name.
func Lookup(channel string) (Upstream, bool) {
	for _, u := range table() {
		if u.Channel == channel && u.MissingKeys == "" {
			return u, true
		}
	}
	return Upstream{}, false
}

// Numbering returns how a tool's versions are numbered: by the table, or else as
// semantic versions.
func Numbering(tool string) manifests.Numbering {
	for _, u := range table() {
		for _, o := range u.Origins {
			if u.Tool == tool && o.Site != nil {
				return o.Site().Numbering
			}
		}
	}
	return manifests.SemverNumbering()
}

// Tools returns the tools that u provides, in order.
func (u Upstream) Tools() []string {
	if u.Tool == "" {
		return debian.Names()
	}
	return []string{u.Tool}
}

// Distros returns the built-in channels that are distributions and have tool, in order.
func Distros(tool string) (names []string) {
	for _, u := range table() {
		if u.Tool == "" && slices.Contains(u.Tools(), tool) {
			names = append(names, u.Channel)
		}
	}
	slices.Sort(names)
	return names
}

// DistroKeys returns the keys of the built-in distribution of a codename.
func DistroKeys(codename string) (keys *verify.Keyring, ok bool, err error) {
	for _, u := range table() {
		for _, o := range u.Origins {
			if o.Debian != nil && o.Debian.Codename == codename {
				keys, err = keyrings.Lookup(o.Keyring)
				return keys, true, err
			}
		}
	}
	return nil, false, nil
}

// Near returns the tools, of the table or of distributions, that a user who typed name
// may have meant: a tool with this other name, or with a similar one.
func Near(name string) []string {
	if tool, ok := Alias(name); ok {
		return []string{tool}
	}
	toolOf := aliases()
	for _, tool := range debian.Names() {
		toolOf[tool] = tool
	}
	for _, u := range table() {
		if u.MissingKeys == "" && u.Tool != "" {
			toolOf[u.Tool] = u.Tool
		}
	}
	var tools []string
	for _, n := range manifests.Near(name, slices.Sorted(maps.Keys(toolOf))) {
		if !slices.Contains(tools, toolOf[n]) {
			tools = append(tools, toolOf[n])
		}
	}
	return tools
}

// Source binds u to its keys and to m.
func (u Upstream) Source(m Machine) (manifests.Source, error) {
	all := origins{Channel: u.Channel, Notify: m.Notify}
	for _, o := range u.Origins {
		source, err := o.source(u, m)
		if err != nil {
			return nil, fmt.Errorf("channel %s: %s: %w", u.Channel, o.Name, err)
		}
		all.List = append(all.List, namedOrigin{o.Name, source})
	}
	if len(all.List) == 1 {
		return all.List[0].Source, nil // its errors need no origin's name
	}
	return all, nil
}

func (o Origin) source(u Upstream, m Machine) (manifests.Source, error) {
	if o.ChecksumDB != "" {
		db, err := verify.NewChecksumDB(o.ChecksumDB)
		return gosum.Source{Channel: u.Channel, Tool: u.Tool, DB: db, Proxies: m.GoProxies}, err
	}
	keys, err := keyrings.Lookup(o.Keyring)
	if err == nil && m.Admit != nil {
		keys, err = m.Admit(keys, o.Threshold)
	}
	if err != nil {
		return nil, err
	}
	policy := verify.Policy{Keys: keys, Threshold: o.Threshold}
	if o.Rust != "" {
		return rust.Source{Channel: u.Channel, URL: o.Rust, Policy: policy}, nil
	}
	if d := o.Debian; d != nil {
		return debian.Source{Channel: u.Channel, Codename: d.Codename, Origin: d.Origin, Policy: policy,
			Suites: d.Mirror(m.Arch, m.Apt), Cache: m.Indices, Tell: m.notifyLine}, nil
	}
	return signedfiles.Source{Channel: u.Channel, Tool: u.Tool, Site: o.Site(), Keys: keys, Threshold: o.Threshold}, nil
}
