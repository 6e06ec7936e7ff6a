package upstreams

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/internal/signedfiles"
	"github.com/kist-tools/kist/verify"
)

// A Mirror is a mirror or private copy of built-in upstreams: files in their layout, at
// its own place, signed by its own keys.
type Mirror struct {
	Channel   string
	Format    string   // one of MirrorFormats
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
		if _, ok := u.site(format); ok {
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

// site returns the site of u that publishes in a format.
func (u Upstream) site(format string) (signedfiles.Site, bool) {
	for _, o := range u.Origins {
		if o.Site == nil {
			continue
		}
		if site := o.Site(); (len(site.Lists) > 0) == (format == "checksums") {
			return site, true
		}
	}
	return signedfiles.Site{}, false
}

// Source binds t to its keys. A tool that has no upstream of t's format is an error.
func (t Mirror) Source() (manifests.Source, error) {
	sources := tools{channel: t.Channel, byTool: map[string]manifests.Source{}}
	for _, tool := range t.Tools {
		site, ok := t.find(tool)
		if !ok {
			return nil, fmt.Errorf("channel %s: no upstream of format %s has a tool %q, only %s",
				t.Channel, t.Format, tool, strings.Join(MirrorTools(t.Format), ", "))
		}
		sources.byTool[tool] = signedfiles.Source{Channel: t.Channel, Tool: tool, Site: site.At(t.Base), Keys: t.Keys, Threshold: t.Threshold}
	}
	return sources, nil
}

func (t Mirror) find(tool string) (signedfiles.Site, bool) {
	for _, u := range table() {
		if site, ok := u.site(t.Format); ok && u.Tool == tool {
			return site, true
		}
	}
	return signedfiles.Site{}, false
}

// tools is a Source that fetches from the source of the requested tool.
type tools struct {
	channel string
	byTool  map[string]manifests.Source
}

// Fetch implements manifests.Source.
func (s tools) Fetch(ctx context.Context, t manifests.Transport, q manifests.Query) (manifests.Catalog, error) {
	source, ok := s.byTool[q.Tool]
	if !ok {
		return nil, &manifests.UnknownToolError{Channel: s.channel, Tool: q.Tool, Near: manifests.Near(q.Tool, slices.Sorted(maps.Keys(s.byTool)))}
	}
	return source.Fetch(ctx, t, q)
}
