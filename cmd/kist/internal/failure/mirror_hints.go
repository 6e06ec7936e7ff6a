package failure

import (
	"strings"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/copies"
	"github.com/kist-tools/kist/install/mirror"
)

// mirrors reports whether the verb is one of kist mirror.
func (c Context) mirrors() bool { return strings.HasPrefix(c.Verb, "mirror ") }

// mirrorHints returns the rows for kist mirror, which precede those of hints.
func mirrorHints() []hintRow {
	// The directory of a mirror is named on the command line, not by a variable.
	elsewhere := func(role string) string {
		if role == "mirror" {
			return "name a directory of your own, in which nobody else can write"
		}
		return ""
	}
	again := func(_ error, c Context) string {
		if c.Verb == "mirror verify" {
			return "kist mirror sync DIR copies again what is missing or was changed"
		}
		return ""
	}
	return []hintRow{
		hintFor("refused", func(e *install.SystemPrefixError, _ Context) string { return elsewhere(e.Role) }),
		hintFor("refused", func(e *install.UnsafeDirError, _ Context) string { return elsewhere(e.Role) }),
		hintFor("refused", func(e *install.OwnerError, _ Context) string { return elsewhere(e.Role) }),
		hintFor("refused", func(e *install.SeparatorError, _ Context) string { return elsewhere(e.Role) }),
		hintIf(mirror.ErrNotMirror, "refused", "name an empty directory, or one that kist mirror sync filled"),
		hintIf(mirror.ErrNoHoldings, "refused", "mirror.toml was deleted: restore it, or fill another directory"),
		hintIf(mirror.ErrOwnOrigin, "refused", "on the machine that fills a mirror, leave it out of config.toml"),
		hintIf(mirror.ErrNothingNamed, "usage", "name the tools: kist mirror sync DIR TOOL…"),
		hintIf(mirror.ErrNoMirror, "unknown", "kist mirror sync DIR TOOL… makes one"),
		hintIf(copies.ErrName, "unsupported", "add the channel by a URL without such parts, or leave the tool out"),
		fixedHint[*mirror.RecordError]("drift", "delete current, previous and snapshots in the directory; kist mirror sync makes them again from store"),
		{"drift", again},
		{"untrusted", again},
		{"stale", again},
	}
}
