// Package upstreams is the built-in table: which upstream speaks for which
// tool, whose keys prove it, and how its toolchains are laid out. It is data;
// the sources that read each format are packages of their own.
//
// An upstream may have several origins: places that publish the same releases,
// each with a proof of its own. They are asked in order. The next one is asked
// only where one has nothing to prove, because it cannot be reached or does not
// have what was asked for; a proof that failed is the end. What an origin says
// is never mixed with what another says.
package upstreams

import (
	"fmt"
	"maps"
	"slices"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/checksums"
	"github.com/kist-tools/kist/manifests/debian"
	"github.com/kist-tools/kist/manifests/detached"
	"github.com/kist-tools/kist/manifests/gosum"
	"github.com/kist-tools/kist/manifests/rust"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/keyrings"
)

// An Upstream is a built-in channel and what it provides.
type Upstream struct {
	Channel string
	Tool    string   // "" for a distribution, which provides several; see Tools
	Origins []Origin // in the order in which they are asked
	// Wanting says why the row is not a built-in channel: kist lacks the keys. With
	// keys that the user has, it serves as a Twin does.
	Wanting string
}

// An Origin is one place of an upstream, in exactly one format.
type Origin struct {
	Name      string // for people
	Keyring   string // in verify/keyrings, for formats that OpenPGP proves
	Threshold int    // how many of its keys must sign

	Checksums  *checksums.Site
	Detached   *detached.Site
	Rust       string // URL of the stable channel manifest
	Debian     *debian.Distribution
	ChecksumDB string // the verifier key of the database that proves Go modules
}

// Machine is what the sources of the table need to know of where they run.
type Machine struct {
	// GoProxies are the module proxies that the machine's own Go is set to
	// use; see gosum.ParseProxies.
	GoProxies []gosum.Proxy
	// Apt is what the machine's apt sources say, and Arch how dpkg calls its
	// architecture: where distributions are.
	Apt  []debian.AptSource
	Arch string
	// Indices keeps those of distributions. May be nil.
	Indices debian.Cache
	// Admit returns what may be used of the keys of an origin, of which so many
	// must sign. May be nil: all of them.
	Admit func(keys *verify.Keyring, threshold int) (*verify.Keyring, error)
	// Tell is told, in one line, when an origin could not be reached and the
	// next one is asked. May be nil.
	Tell func(string)
}

// Names returns the built-in channels, in order.
func Names() []string {
	var names []string
	for _, u := range table() {
		if u.Wanting == "" {
			names = append(names, u.Channel)
		}
	}
	slices.Sort(names)
	return names
}

// Providing returns the built-in channel that provides a tool: the first, in order.
func Providing(tool string) (channel string, ok bool) {
	for _, u := range table() {
		if u.Tool == tool && u.Tool != "" && u.Wanting == "" && (!ok || u.Channel < channel) {
			channel, ok = u.Channel, true
		}
	}
	return channel, ok
}

// Lookup returns the built-in channel of this name.
func Lookup(channel string) (Upstream, bool) {
	for _, u := range table() {
		if u.Channel == channel && u.Wanting == "" {
			return u, true
		}
	}
	return Upstream{}, false
}

// Numbering is how a tool counts its versions: as the table says, else as most do.
func Numbering(tool string) manifests.Numbering {
	for _, u := range table() {
		for _, o := range u.Origins {
			switch {
			case u.Tool != tool:
			case o.Detached != nil:
				return o.Detached.Numbering
			case o.Checksums != nil:
				return o.Checksums.Numbering
			}
		}
	}
	return manifests.SemverNumbering()
}

// Tools are the tools that u provides, in order.
func (u Upstream) Tools() []string {
	if u.Tool == "" {
		return debian.Names()
	}
	return []string{u.Tool}
}

// Distros returns the built-in channels that are distributions and have tool, in
// order.
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

// Near returns the tools of the table and of the distributions that a person who
// asked for name may have meant: by another name of theirs, or by mistyping one.
func Near(name string) []string {
	if tool, ok := Alias(name); ok {
		return []string{tool}
	}
	of := aliases()
	for _, tool := range debian.Names() {
		of[tool] = tool
	}
	for _, u := range table() {
		if u.Wanting == "" && u.Tool != "" {
			of[u.Tool] = u.Tool
		}
	}
	var tools []string
	for _, n := range manifests.Near(name, slices.Sorted(maps.Keys(of))) {
		if !slices.Contains(tools, of[n]) {
			tools = append(tools, of[n])
		}
	}
	return tools
}

// Source binds u to its keys and to m.
func (u Upstream) Source(m Machine) (manifests.Source, error) {
	origins := Origins{Channel: u.Channel, Tell: m.Tell}
	for _, o := range u.Origins {
		source, err := o.source(u, m)
		if err != nil {
			return nil, fmt.Errorf("channel %s: %s: %w", u.Channel, o.Name, err)
		}
		origins.List = append(origins.List, Named{o.Name, source})
	}
	if len(origins.List) == 1 {
		return origins.List[0].Source, nil // it speaks for itself
	}
	return origins, nil
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
	if o.Checksums != nil {
		return checksums.Source{Channel: u.Channel, Tool: u.Tool, Site: *o.Checksums, Keys: keys, Threshold: o.Threshold}, nil
	}
	policy := verify.Policy{Keys: keys, Threshold: o.Threshold}
	if o.Rust != "" {
		return rust.Source{Channel: u.Channel, URL: o.Rust, Policy: policy}, nil
	}
	if d := o.Debian; d != nil {
		return debian.Source{Channel: u.Channel, Codename: d.Codename, Origin: d.Origin, Policy: policy,
			Suites: d.Mirror(m.Arch, m.Apt), Cache: m.Indices, Tell: m.Tell}, nil
	}
	return detached.Source{Channel: u.Channel, Tool: u.Tool, Site: *o.Detached, Keys: keys, Threshold: o.Threshold}, nil
}
