package toolset

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/lockfile"
	"github.com/kist-tools/kist/manifests/trust"
)

// A CacheKey names a cache of installed toolchains.
type CacheKey struct {
	Key      string    `json:"key"`
	Format   int       `json:"format"`   // of what kist stores
	Platform string    `json:"platform"` // such as linux/amd64/gnu
	Distro   string    `json:"distro,omitempty"`
	Requests []request `json:"requests"` // what was asked for, in one spelling and order
}

// A request is a Want in the spelling that all Wants of the same meaning share.
type request struct {
	Tool       string   `json:"tool"` // channel/tool@version
	Range      string   `json:"range,omitempty"`
	Components []string `json:"components,omitempty"`
	Targets    []string `json:"targets,omitempty"`
	Profile    string   `json:"profile,omitempty"`
	// Files are what a lock names for this platform.
	Files []lockfile.File `json:"files,omitempty"`
}

// CacheKey returns the key of a cache that holds what installing wants gives on this
// machine. Requests that mean the same have the same key. Another tool, version, part,
// platform, distribution or format of the store gives another key, as does another place or
// other keys of an added channel that may answer. The network is not used, so a label such
// as stable gives the same key when it means another version.
func (s *Set) CacheKey(wants []Want) (CacheKey, error) {
	added, err := s.Desk.List()
	if err != nil {
		return CacheKey{}, err
	}
	k := CacheKey{Format: record.Format, Platform: s.Desk.Platform.String(), Distro: s.Desk.Distro()}
	var origins []origin
	for _, w := range wants {
		if name, ok := trust.BuiltinChannel(w.Name); ok && w.Channel == "" {
			w.Channel = name
		}
		r := requestOf(w)
		if w.Locked != nil {
			on, _ := w.Locked.On(s.Desk.Platform)
			r.Files = on.Files
		}
		k.Requests = append(k.Requests, r)
		for _, c := range added {
			if c.Name == w.Channel || w.Channel == "" && c.Grants(w.Name, trust.IsBuiltin) {
				origins = append(origins, originOf(c))
			}
		}
	}
	slices.SortFunc(k.Requests, request.compare)
	k.Requests = slices.CompactFunc(k.Requests, func(a, b request) bool { return a.compare(b) == 0 })
	slices.SortFunc(origins, func(a, b origin) int { return strings.Compare(a.Name, b.Name) })
	origins = slices.CompactFunc(origins, func(a, b origin) bool { return a.Name == b.Name })
	text, err := json.Marshal([]any{k.Format, k.Platform, k.Distro, k.Requests, origins})
	if err != nil {
		return CacheKey{}, err
	}
	sum := sha256.Sum256(text)
	k.Key = fmt.Sprintf("kist%d-%s-%s", k.Format, strings.ReplaceAll(k.Platform, "/", "-"), hex.EncodeToString(sum[:16]))
	return k, nil
}

func requestOf(w Want) request {
	r := request{Tool: w.Ref.String(), Range: w.Range, Components: sortUnique(w.Components), Targets: sortUnique(w.Targets), Profile: w.Profile}
	if r.Profile == "minimal" { // the default
		r.Profile = ""
	}
	return r
}

func (r request) compare(other request) int {
	return cmp.Or(strings.Compare(r.Tool, other.Tool), strings.Compare(r.Range, other.Range), strings.Compare(r.Profile, other.Profile),
		slices.Compare(r.Components, other.Components), slices.Compare(r.Targets, other.Targets))
}

// An origin is what decides which toolchains an added channel has.
type origin struct {
	Name      string
	URL       string // without user and password
	Format    string
	Threshold int
	Keys      []string // the primary keys that the user chose
}

func originOf(c channels.Channel) origin {
	o := origin{Name: c.Name, URL: c.Redacted(), Format: c.Format, Threshold: c.Threshold}
	for _, pin := range c.Pins {
		o.Keys = append(o.Keys, string(pin.Primary))
	}
	slices.Sort(o.Keys)
	return o
}

func sortUnique(names []string) []string {
	names = slices.Sorted(slices.Values(names))
	return slices.Compact(names)
}
