package upstreams

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/checksums"
	"github.com/kist-tools/kist/manifests/detached"
	"github.com/kist-tools/kist/verify"
)

// A Mirror is a mirror or private copy of built-in upstreams: files in their layout, at
// its own place, signed by its own keys.
type Mirror struct {
	Channel   string
	Format    string   // one of TwinFormats
	Base      string   // URL that replaces each upstream's own base
	Tools     []string // the tools that it copies
	Keys      *verify.Keyring
	Threshold int
}

// MirrorFormats returns the formats that a Mirror can have.
func MirrorFormats() []string { return []string{"checksums", "detached"} }

// MirrorTools returns the tools that have an upstream of a format, in order.
func MirrorTools(format string) []string {
	var tools []string
	for _, u := range table() {
		if _, ok := u.origin(format); ok {
			tools = append(tools, u.Tool)
		}
	}
	slices.Sort(tools)
	return slices.Compact(tools)
}

// MirrorFormat returns the format in which a Mirror may offer tool.
func MirrorFormat(tool string) (format string, ok bool) {
	for _, format := range MirrorFormats() {
		if slices.Contains(MirrorTools(format), tool) {
			return format, true
		}
	}
	return "", false
}

// origin returns the origin of u that publishes in a format.
func (u Upstream) origin(format string) (Origin, bool) {
	i := slices.IndexFunc(u.Origins, func(o Origin) bool {
		return format == "checksums" && o.Checksums != nil || format == "detached" && o.Detached != nil
	})
	if i < 0 {
		return Origin{}, false
	}
	return u.Origins[i], true
}

// Source binds t to its keys. A tool that has no upstream of t's format is an error.
func (t Mirror) Source() (manifests.Source, error) {
	sources := twins{channel: t.Channel, byTool: map[string]manifests.Source{}}
	for _, tool := range t.Tools {
		o, ok := t.find(tool)
		if !ok {
			return nil, fmt.Errorf("channel %s: no upstream of format %s has a tool %q, only %s",
				t.Channel, t.Format, tool, strings.Join(MirrorTools(t.Format), ", "))
		}
		sources.byTool[tool] = t.source(tool, o)
	}
	return sources, nil
}

func (t Mirror) source(tool string, o Origin) manifests.Source {
	if o.Detached != nil {
		return detached.Source{Channel: t.Channel, Tool: tool, Site: o.Detached.At(t.Base), Keys: t.Keys, Threshold: t.Threshold}
	}
	site := *o.Checksums
	site.Base = t.Base
	return checksums.Source{Channel: t.Channel, Tool: tool, Site: site, Keys: t.Keys, Threshold: t.Threshold}
}

func (t Mirror) find(tool string) (Origin, bool) {
	for _, u := range table() {
		if o, ok := u.origin(t.Format); ok && u.Tool == tool {
			return o, true
		}
	}
	return Origin{}, false
}

// twins is a Source that fetches from the source of the requested tool.
type twins struct {
	channel string
	byTool  map[string]manifests.Source
}

// Fetch implements manifests.Source.
func (s twins) Fetch(ctx context.Context, t manifests.Transport, q manifests.Query) (manifests.Catalog, error) {
	source, ok := s.byTool[q.Tool]
	if !ok {
		var have []string
		for tool := range s.byTool {
			have = append(have, tool)
		}
		slices.Sort(have)
		return nil, &manifests.UnknownToolError{Channel: s.channel, Tool: q.Tool, Near: manifests.Near(q.Tool, have)}
	}
	return source.Fetch(ctx, t, q)
}
