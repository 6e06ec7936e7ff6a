// Package mirrortext describes what the mirror verbs did or found, for people and as JSON,
// with the config.toml by which clients use a mirror. It reads and writes no mirror.
package mirrortext

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/bundles"
	"github.com/kist-tools/kist/install/copies"
	"github.com/kist-tools/kist/install/mirror"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/config"
)

// BaseURL returns the URL, ending in a slash, at which clients find a mirror: at, or
// else the file URL of its directory.
func BaseURL(dir, at string) (string, error) {
	if at == "" {
		path, err := filepath.Abs(dir)
		if err != nil {
			return "", err
		}
		path = filepath.ToSlash(filepath.Join(path, mirror.Current))
		return (&url.URL{Scheme: "file", Path: "/" + strings.TrimPrefix(path, "/") + "/"}).String(), nil
	}
	u, err := manifests.ParseURL(at)
	if err != nil || u.User != nil || u.RawQuery != "" {
		return "", failure.Usage("mirror sync: --url %s: want an https, http or file URL without user, password and query", manifests.Redact(at))
	}
	return strings.TrimSuffix(u.String(), "/") + "/", nil
}

// Synced is what mirror sync did.
type Synced struct {
	Dir       string            `json:"dir"`
	Tools     []string          `json:"tools"` // what the mirror holds
	Snapshot  uint64            `json:"snapshot"`
	Changed   bool              `json:"changed"`   // there is a new snapshot
	Documents int               `json:"documents"` // in the snapshot
	Artifacts int               `json:"artifacts"`
	Size      int64             `json:"size"`    // bytes of both
	Fetched   int               `json:"fetched"` // artifacts that were fetched or proved again
	Bytes     int64             `json:"bytes"`   // of these
	Removed   []string          `json:"removed,omitempty"`
	Kept      []string          `json:"kept,omitempty"`
	Replaced  []config.Replaced `json:"replaced,omitempty"` // what mirror.toml recorded otherwise before
	Config    string            `json:"config"`             // config.toml for clients

	mirrors []config.Mirror // that Config names
}

// NewSynced describes done, a sync of the mirror in dir that clients find at base, which
// BaseURL returns for the URL of done.
func NewSynced(dir, base string, done mirror.Synced) Synced {
	r := Synced{
		Dir: dir, Snapshot: done.Snapshot, Changed: done.Changed, Documents: done.Documents, Artifacts: done.Artifacts,
		Size: done.Size, Fetched: done.Fetched, Bytes: done.Bytes, Removed: done.Removed, Kept: done.Kept, Replaced: done.Replaced,
	}
	for _, h := range done.Tools {
		r.Tools = append(r.Tools, h.Name)
	}
	for _, origin := range done.Origins {
		r.mirrors = append(r.mirrors, config.Mirror{From: origin, To: []string{base + copies.TopDir(origin) + "/"}, Only: !slices.Contains(done.Shared, origin)})
	}
	r.Config = string(config.EncodeMirrors(r.mirrors))
	return r
}

// Render writes a config.toml: what else there is to say is in its comments.
func (r Synced) Render(p *term.Page) {
	state := "is up to date"
	if r.Changed {
		state = "is new"
	}
	p.Line("# %s: snapshot %d %s: %s and %s, %s", r.Dir, r.Snapshot, state, term.Count(r.Documents, "document"), term.Count(r.Artifacts, "artifact"), term.ByteSize(r.Size))
	if r.Fetched > 0 {
		p.Line("# fetched %s, %s", term.Count(r.Fetched, "artifact"), term.ByteSize(r.Bytes))
	}
	for _, name := range r.Removed {
		p.Line("# removed %s", name)
	}
	writeConfig(p, r.mirrors)
}

// Notices returns a line for each change of what mirror.toml had recorded: flags replace it.
// Tools with the same change share a line.
func (r Synced) Notices() (lines []string) {
	var changes []string
	of := map[string][]string{} // tools by change
	for _, c := range r.Replaced {
		text := fmt.Sprintf("%s %s (before: %s)", c.Setting, cmp.Or(c.Is, "none"), cmp.Or(c.Was, "none"))
		if c.Setting == "name" {
			text = "not named any more"
		}
		if of[text] == nil {
			changes = append(changes, text)
		}
		of[text] = append(of[text], c.Tool)
	}
	for _, text := range changes {
		if tools := strings.Join(of[text], ", "); tools != "" {
			text = tools + ": " + text
		}
		lines = append(lines, config.HoldingsFile+": "+text)
	}
	return lines
}

// Pushed is what mirror sync did in a registry.
type Pushed struct {
	Registry  string `json:"registry"`
	Digest    string `json:"digest"` // of the mirror
	Unchanged bool   `json:"unchanged"`
	Documents int    `json:"documents"`
	Artifacts int    `json:"artifacts"`
	Size      int64  `json:"size"` // bytes of both
	Sent      int    `json:"sent"` // files that the registry lacked
	Bytes     int64  `json:"bytes"`
	Config    string `json:"config"` // config.toml for clients

	mirrors []config.Mirror // that Config names
}

// NewPushed describes done, which sending d to the repository to returned.
func NewPushed(to manifests.RegistryRef, d bundles.Draft, done bundles.Pushed) Pushed {
	r := Pushed{
		Registry: to.String(), Digest: done.Digest.String(), Unchanged: done.Unchanged, Documents: d.Documents, Artifacts: d.Artifacts,
		Size: d.Bytes, Sent: done.Sent, Bytes: done.Bytes,
	}
	for _, origin := range slices.Sorted(maps.Keys(d.Origins)) {
		r.mirrors = append(r.mirrors, config.Mirror{From: origin, To: []string{r.Registry}, Only: d.Origins[origin]})
	}
	r.Config = string(config.EncodeMirrors(r.mirrors))
	return r
}

// Render writes a config.toml: what else there is to say is in its comments.
func (r Pushed) Render(p *term.Page) {
	state := "is new"
	if r.Unchanged {
		state = "is up to date"
	}
	p.Line("# %s %s: %s and %s, %s", r.Registry, state, term.Count(r.Documents, "document"), term.Count(r.Artifacts, "artifact"), term.ByteSize(r.Size))
	if r.Sent > 0 {
		p.Line("# sent %s, %s", term.Count(r.Sent, "file"), term.ByteSize(r.Bytes))
	}
	writeConfig(p, r.mirrors)
}

// writeConfig writes the config.toml that names mirrors.
func writeConfig(p *term.Page, mirrors []config.Mirror) {
	p.Line("# config.toml for clients, in /etc/kist or in the settings directory of a user:")
	for line := range strings.Lines(string(config.EncodeMirrors(mirrors))) {
		p.Line("%s", strings.TrimSuffix(line, "\n"))
	}
}

// Verified is what mirror verify found.
type Verified struct {
	Dir       string    `json:"dir"`
	Snapshot  uint64    `json:"snapshot"`
	Releases  int       `json:"releases"`  // proved
	Documents int       `json:"documents"` // that the proofs needed
	Artifacts int       `json:"artifacts"` // proved
	Compared  int       `json:"compared"`  // other files, as they were copied
	Problems  []Problem `json:"problems"`
	Unnamed   []string  `json:"unnamed,omitempty"` // releases that the documents do not name any more
	Foreign   []string  `json:"foreign,omitempty"` // paths that are not of the mirror

	proved string // Releases, as it is printed
}

// A Problem is a file or release of the mirror that is not as it should be.
type Problem struct {
	copies.Problem
	Why string `json:"why,omitempty"`
}

// NewVerified describes found, which verifying the mirror in dir returned.
func NewVerified(dir string, found mirror.Verified) Verified {
	r := Verified{Dir: dir, Snapshot: found.Snapshot, Releases: found.Releases, Documents: found.Documents,
		Artifacts: found.Artifacts, Compared: found.Compared, Problems: []Problem{}, Unnamed: found.Unnamed, Foreign: found.Foreign,
		proved: term.Count(found.Versions, "release")}
	if found.Platforms > 1 {
		r.proved += " for " + term.Count(found.Platforms, "platform")
	}
	for _, p := range found.Problems {
		why := ""
		if p.Err != nil {
			why = strings.TrimPrefix(p.Err.Error(), p.What+": ")
		}
		r.Problems = append(r.Problems, Problem{p, why})
	}
	return r
}

func (r Verified) Render(p *term.Page) {
	p.Line("%s: snapshot %d", r.Dir, r.Snapshot)
	p.Line("%s proved again, with %s and %s", r.proved, term.Count(r.Documents, "document"), term.Count(r.Artifacts, "artifact"))
	if r.Compared > 0 {
		p.Line("%s compared with what was copied", term.Count(r.Compared, "other file"))
	}
	for i, problem := range r.Problems {
		p.Line("%s: %s", problem.State, problem.What)
		if problem.Why != "" && (i+1 == len(r.Problems) || r.Problems[i+1].Why != problem.Why) { // once for all that have it
			p.Line("  %s", problem.Why)
		}
	}
	for _, release := range r.Unnamed {
		p.Line("note: %s is not named by the documents any more", release)
	}
	for _, name := range r.Foreign {
		p.Line("note: %s is not of the mirror", name)
	}
}
