// Package selftext describes what the verbs for kist's own program did or found, for people
// and as JSON. It changes nothing.
package selftext

import (
	"strings"

	"github.com/kist-tools/kist/cmd/kist/internal/prooftext"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/selfupdate"
	"github.com/kist-tools/kist/verify"
)

// A Release is a release of kist itself, and how it was proved.
type Release struct {
	Version  string          `json:"version"`
	Digest   verify.Digest   `json:"digest"` // of its program
	Channel  string          `json:"channel"`
	Proof    string          `json:"proof"`
	Evidence verify.Evidence `json:"evidence"`
}

// NewRelease describes a release of kist whose program has a digest.
func NewRelease(channel, version string, digest verify.Digest, e verify.Evidence) Release {
	return Release{Version: version, Digest: digest, Channel: channel, Proof: prooftext.Line(e), Evidence: e}
}

// Render prints how r was proved.
func (r Release) Render(p *term.Page) { p.Line("channel %s · %s", r.Channel, r.Proof) }

// Updated is what self update did, or with --dry-run would do.
type Updated struct {
	DryRun   bool    `json:"dry_run,omitempty"`
	Program  string  `json:"program"` // its path, without links
	Have     string  `json:"have"`    // the version that ran
	Outcome  string  `json:"outcome"` // one of selfupdate's
	Release  Release `json:"release"`
	Changed  bool    `json:"changed"`
	Previous string  `json:"previous,omitempty"` // path of the program before it, if that was kept
}

// Render prints r.
func (r Updated) Render(p *term.Page) {
	have := Plain(r.Have)
	switch r.Outcome {
	case selfupdate.Same:
		p.Line("kist %s is up to date", r.Release.Version)
	case selfupdate.Built:
		p.Line("kist %s is the newest release; this program is another build of it", r.Release.Version)
	case selfupdate.Earlier:
		p.Line("kist %s is newer than the newest release, %s", have, r.Release.Version)
	default:
		did := "Updated"
		if r.DryRun {
			did = "Would update"
		}
		p.Headline(did, "kist %s → %s: %s", have, r.Release.Version, r.Program)
	}
	r.Release.Render(p)
	if r.Previous != "" {
		p.Line("kept the program before it as %s; kist self rollback goes back to it", r.Previous)
	}
}

// RolledBack is what self rollback did, or with --dry-run would do.
type RolledBack struct {
	DryRun   bool   `json:"dry_run,omitempty"`
	Program  string `json:"program"`
	Have     string `json:"have"`    // the version that ran
	Version  string `json:"version"` // of the program that is in place now; "" if its build recorded none
	Previous string `json:"previous"`
}

// Render prints r.
func (r RolledBack) Render(p *term.Page) {
	did := "Rolled back"
	if r.DryRun {
		did = "Would roll back"
	}
	to := "the program before it"
	if r.Version != "" {
		to = Plain(r.Version)
	}
	p.Headline(did, "kist %s → %s: %s", Plain(r.Have), to, r.Program)
	if !r.DryRun {
		p.Line("the other one is %s; kist self rollback exchanges them again", r.Previous)
	}
}

// Plain returns a version without the v that Go puts before it.
func Plain(version string) string {
	if rest, ok := strings.CutPrefix(version, "v"); ok && rest != "" && rest[0] >= '0' && rest[0] <= '9' {
		return rest
	}
	return version
}
