package trust

import (
	"fmt"
	"sync"

	"github.com/kist-tools/kist/manifests"
)

// catalogs remembers the last catalog of each channel for one command, so that all of its
// tools are resolved from the same documents, and those are fetched, proved and parsed
// once. One catalog per channel is enough: requests that need another one are rare, and
// a catalog may take tens of megabytes.
type catalogs struct {
	mu        sync.Mutex
	byChannel map[string]*lastCatalog
}

// A lastCatalog is the last catalog of one channel.
type lastCatalog struct {
	mu      sync.Mutex // held while the channel is asked: requests for the same documents wait
	known   bool
	scope   string // of the request that it answered
	fetched bool   // it was fetched; else it was proved from the cache
	catalog manifests.Catalog
	err     error
}

// of returns the place for the catalog of a channel.
func (c *catalogs) of(channel string) *lastCatalog {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byChannel == nil {
		c.byChannel = map[string]*lastCatalog{}
	}
	if c.byChannel[channel] == nil {
		c.byChannel[channel] = &lastCatalog{}
	}
	return c.byChannel[channel]
}

// fetch returns the fetched catalog that answers q, and calls get only if none is
// remembered. A native channel that failed is not asked again: it would be asked for the
// same documents. The sources of other formats also fail for a single tool or version,
// so their errors are not remembered.
func (l *lastCatalog) fetch(b Binding, q manifests.Request, get func() (manifests.Catalog, error)) (manifests.Catalog, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	scope := b.scope(q)
	if l.known && l.fetched && l.scope == scope {
		return l.catalog, l.err
	}
	catalog, err := get()
	if err == nil || b.isNative() {
		l.known, l.scope, l.fetched, l.catalog, l.err = true, scope, true, catalog, err
	}
	return catalog, err
}

// cached is fetch for a catalog that get proves from the cache. A fetched one will do. A
// catalog that answers a single request is not remembered: a search proves many of them.
func (l *lastCatalog) cached(b Binding, q manifests.Request, get func() (manifests.Catalog, error)) (manifests.Catalog, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	scope := b.scope(q)
	if l.known && l.err == nil && l.scope == scope {
		return l.catalog, nil
	}
	catalog, err := get()
	if err == nil && (b.isNative() || b.indices != nil) && !(l.known && l.fetched) {
		l.known, l.scope, l.fetched, l.catalog, l.err = true, scope, false, catalog, nil
	}
	return catalog, err
}

// scope identifies the documents that answer q: one catalog answers all requests of the
// same scope. The manifest of a native channel lists all of its releases. The catalog of
// a distribution can make every tool, of the components that were asked for. Other
// sources prove one request at a time.
func (b Binding) scope(q manifests.Request) string {
	switch {
	case b.isNative():
		return ""
	case b.indices != nil:
		return fmt.Sprintf("%v %q %v %q", q.Platform, q.Components, q.List, q.Origin)
	}
	return fmt.Sprintf("%#v", q)
}

// isNative reports whether b is a channel in kist's own format.
func (b Binding) isNative() bool { return b.Settings != nil && b.Settings.Format == "native" }
