package upkeeptext

import (
	"path"
	"strings"
	"time"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/cache"
	"github.com/kist-tools/kist/install/record"
)

// A CacheItem is a file of the cache, or a directory of documents.
type CacheItem struct {
	Kind     cache.Kind `json:"kind"` // archive, partial or documents
	Name     string     `json:"name"` // below the cache directory
	Size     int64      `json:"size"` // bytes
	Modified time.Time  `json:"modified"`
	// Release is an installed release that was made of the archive, as channel/tool@version;
	// for documents, their channel and what they answer. Empty: not known.
	Release string `json:"release,omitempty"`
}

// NewCacheItems describes items. installed are the receipts of what is installed.
func NewCacheItems(items []cache.Item, installed map[record.ID]record.Head) (list []CacheItem) {
	made := map[string]string{} // by the digest of an archive
	for _, r := range installed {
		for _, a := range r.Artifacts {
			made[a.Digest.String()] = r.Ref()
		}
	}
	for _, item := range items {
		c := CacheItem{item.Kind, item.Name, item.Size, item.Modified.UTC().Truncate(time.Second), made[item.Digest.String()]}
		if item.Kind == cache.Documents {
			c.Release = strings.Replace(path.Base(item.Name), "~", "/", 1)
		}
		list = append(list, c)
	}
	return list
}

// what names an item for people.
func (c CacheItem) what() string {
	if c.Release != "" {
		return c.Release
	}
	return path.Base(c.Name)[:min(12, len(path.Base(c.Name)))]
}

// Cache is what the cache holds.
type Cache struct {
	Dir     string      `json:"dir"`
	Items   []CacheItem `json:"items"`
	Size    int64       `json:"size"`               // bytes
	MaxSize int64       `json:"max_size,omitempty"` // cache-max-size of config.toml
}

// Render writes r as text.
func (r Cache) Render(p *term.Page) {
	if len(r.Items) > 0 {
		rows := [][]string{{"KIND", "SIZE", "WRITTEN", "OF"}}
		for _, c := range r.Items {
			rows = append(rows, []string{string(c.Kind), term.ByteSize(c.Size), c.Modified.Format(time.DateOnly), c.what()})
		}
		p.Table(rows)
	}
	limit := ""
	if r.MaxSize > 0 {
		limit = " of at most " + term.ByteSize(r.MaxSize)
	}
	p.Line("%s%s in %s", term.ByteSize(r.Size), limit, r.Dir)
}

// Pruned is what cache prune removed, or with --dry-run would remove.
type Pruned struct {
	DryRun  bool        `json:"dry_run,omitempty"`
	Removed []CacheItem `json:"removed"`
	Freed   int64       `json:"freed"`          // bytes
	Kept    []CacheItem `json:"kept,omitempty"` // in use, or not kist's
	Left    int64       `json:"left"`           // bytes in the cache afterwards
}

// Render writes r as text.
func (r Pruned) Render(p *term.Page) {
	removed, kept := "Removed", "Kept"
	if r.DryRun {
		removed, kept = "Would remove", "Would keep"
	}
	counts := map[cache.Kind]int{}
	for _, c := range r.Removed {
		counts[c.Kind]++
	}
	var parts []string
	for _, kind := range []struct {
		cache.Kind
		noun string
	}{{cache.Archive, "archive"}, {cache.Partial, "partial download"}, {cache.Documents, "directory"}} {
		if n := counts[kind.Kind]; kind.Kind == cache.Documents && n > 0 {
			parts = append(parts, "documents of "+term.Count(n, "request"))
		} else if n > 0 {
			parts = append(parts, term.Count(n, kind.noun))
		}
	}
	if len(parts) == 0 {
		p.Line("nothing to remove; %s are left", term.ByteSize(r.Left))
	} else {
		p.Headline(removed, "%s: %s; %s are left", strings.Join(parts, ", "), term.ByteSize(r.Freed), term.ByteSize(r.Left))
	}
	for _, c := range r.Kept {
		p.Line("%s %s: a process uses it, or kist did not write it", kept, c.Name)
	}
}
