package trust

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/gosum"
	"github.com/kist-tools/kist/manifests/system"
	"github.com/kist-tools/kist/manifests/upstreams"
	"github.com/kist-tools/kist/verify"
)

// BuiltinChannel returns the built-in channel that provides a tool, the first in order.
func BuiltinChannel(tool string) (channel string, ok bool) {
	channel, ok = upstreams.Provided()[tool]
	return channel, ok
}

// IsBuiltin reports whether a built-in channel provides a tool.
func IsBuiltin(tool string) bool {
	_, ok := BuiltinChannel(tool)
	return ok
}

// IsBuiltinChannel reports whether a channel is built in.
func IsBuiltinChannel(name string) bool {
	_, ok := upstreams.Lookup(name)
	return ok || name == system.Channel || name == upstreams.OwnChannel
}

// Installable returns the argument of kist install for a tool: its bare name if it is
// built in, else the first distribution that has it and the name. distro returns that of
// this machine.
func Installable(tool string, distro func() string) (ref string, ok bool) {
	if IsBuiltin(tool) {
		return tool, true
	}
	if distros := DistrosOf(tool, distro); len(distros) > 0 {
		return distros[0] + "/" + tool, true
	}
	return "", false
}

// DistrosOf returns the built-in distributions that have tool, that of this machine
// first.
func DistrosOf(tool string, distro func() string) []string {
	distros := upstreams.Distros(tool)
	if len(distros) < 2 {
		return distros
	}
	machine := distro()
	own := func(name string) int {
		if u, ok := upstreams.Lookup(name); ok && machine != "" {
			words := strings.Fields(strings.ToLower(u.Origins[0].Name)) // "debian 12 (bookworm)"
			if len(words) > 1 && words[0]+words[1] == machine {
				return 0
			}
		}
		return 1
	}
	slices.SortStableFunc(distros, func(a, b string) int { return own(a) - own(b) })
	return distros
}

// BuiltinTools returns the names of the tools that built-in channels provide, in order.
func BuiltinTools() []string {
	return slices.Sorted(maps.Keys(upstreams.Provided()))
}

// bindBuiltin binds a built-in channel to this machine. newer holds copies of its keys
// that are newer than those known, and may be nil.
func (d *Desk) bindBuiltin(ctx context.Context, name string, newer *verify.Keyring) (Binding, error) {
	if name == system.Channel {
		return Binding{}, &SystemError{}
	}
	u, ok := upstreams.Lookup(name)
	if !ok {
		return Binding{}, fmt.Errorf("channel %s is not built in", name)
	}
	rules, err := d.Rules()
	if err != nil {
		return Binding{}, err
	}
	for _, r := range rules {
		if err := r.Allows(name, ""); err != nil {
			return Binding{}, err
		}
	}
	m := upstreams.Machine{Notify: d.Notify}
	m.Admit = func(ring *verify.Keyring, threshold int) (*verify.Keyring, error) {
		ring, err := d.Renewed(ring)
		if err == nil && newer != nil {
			ring, err = ring.Merge(newer)
		}
		if err != nil {
			return nil, err
		}
		ring, _, err = d.Limit(name, "", ring, threshold)
		return ring, err
	}
	if usesProxies := slices.ContainsFunc(u.Origins, func(o upstreams.Origin) bool { return o.ChecksumDB != "" }); usesProxies {
		proxies, err := gosum.ParseProxies(d.GoProxy(ctx))
		if err != nil {
			d.Warn(fmt.Sprintf("%v; ignored", err))
		}
		m.GoProxies = proxies
	}
	b := Binding{tool: u.Tool}
	if u.IsDistro() {
		b.indices = d.cachedIndices(name)
		m.Apt, m.Arch, m.Indices = d.AptSources(), d.Platform.Arch, d.indexCache(b.indices)
	}
	source, err := u.Source(m)
	if err != nil {
		return Binding{}, err
	}
	b.Channel = manifests.Channel{Name: name, Source: source}
	return b, nil
}
