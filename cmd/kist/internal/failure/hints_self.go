package failure

import (
	"fmt"
	"io/fs"
	"strings"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/install/selfupdate"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/trust"
)

// selfHints returns the rows for the verbs that change or check kist's own program, which
// come before those of all verbs.
func selfHints() []hintRow {
	const asInstalled = "update it as you installed it, or put kist into a directory of your own, such as ~/.local/bin"
	return []hintRow{
		hintFor("usage", func(e *selfupdate.UnknownVersionError, _ Context) string {
			return "kist self update --version " + e.Newest
		}),
		hintFor("unknown", func(e *manifests.UnknownVersionError, _ Context) string {
			if len(e.Near) == 0 {
				return "kist self update takes the newest release"
			}
			return "kist self update --version " + e.Near[0]
		}),
		hintFor("refused", func(e *selfupdate.ManagedError, _ Context) string { return "update it with: " + e.Command }),
		hintFor("refused", func(e *install.SystemPrefixError, _ Context) string { return ifProgram(e.Role, asInstalled) }),
		hintFor("refused", func(e *install.OwnerError, _ Context) string { return ifProgram(e.Role, asInstalled) }),
		hintFor("refused", func(e *install.UnsafeDirError, _ Context) string {
			return ifProgram(e.Role, "make it writable for you alone, then run the same command again")
		}),
		fixedHint[*host.UnsafeFileError]("refused", "make it writable for you alone, then run the same command again"),
		hintFor("refused", func(e *selfupdate.NotKistError, _ Context) string {
			return fmt.Sprintf("look at %s; kist neither runs nor removes it", e.Path)
		}),
		hintFor("permission", func(e *fs.PathError, c Context) string {
			if strings.HasPrefix(c.Verb, "self ") {
				return asInstalled
			}
			return ""
		}),
		fixedHint[*trust.NoReleaseKeysError]("untrusted", "use a release of kist; SECURITY.md says how to check a kist that was built from source"),
		fixedHint[*selfupdate.NoProgramError]("untrusted", "this release cannot replace a program by itself; get it as you installed kist"),
		fixedHint[*selfupdate.UnknownProgramError]("untrusted", "if you built it from source, SECURITY.md says how to compare it; otherwise install kist again, and do not use this file"),
		fixedHint[*selfupdate.NoPreviousError]("missing", "kist self update --version VERSION installs a release by its version"),
	}
}

// ifProgram returns hint if role is that of the directory of kist's program.
func ifProgram(role, hint string) string {
	if role == "program" {
		return hint
	}
	return ""
}
