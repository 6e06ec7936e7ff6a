package failure

import (
	"cmp"
	"fmt"
	"path/filepath"

	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/credentials"
	"github.com/kist-tools/kist/install/evidence"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/limits"
	"github.com/kist-tools/kist/manifests/lockfile"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/verify"
)

// refusalHints returns the rows for what is refused for safety, not trusted, or stale.
func refusalHints() []hintRow {
	return []hintRow{
		hintFor("refused", func(e *credentials.Error, _ Context) string {
			if e.Helper {
				return "name a program in " + e.Config + " that only you and root can change"
			}
			return "chmod 600 " + host.Quote(e.Path)
		}),
		hintFor("refused", func(e *trust.SystemError, c Context) string {
			if own, ok := trust.Installable(e.Tool, c.Distro); ok && c.Verb == "install" {
				return fmt.Sprintf("kist install %s installs your own beside it", own)
			} else if c.Verb == "uninstall" {
				return "remove it with what installed it: the system's package manager, or another installer"
			}
			return fmt.Sprintf("kist ensure 'system/%s>=VERSION' tells what the system has", cmp.Or(e.Tool, "TOOL"))
		}),
		fixedHint[*host.NoHomeError]("refused", "set HOME to a directory of your own"),
		hintFor("refused", func(e *install.SystemPrefixError, c Context) string {
			return fmt.Sprintf("set %s to a directory of your own, or %s", c.setting(e.Role), c.unset())
		}),
		hintFor("refused", func(e *install.UnsafeDirError, c Context) string {
			return fmt.Sprintf("make it writable for you alone, or set %s to another directory", c.setting(e.Role))
		}),
		hintFor("refused", func(e *install.OwnerError, c Context) string {
			return fmt.Sprintf("for toolchains of your own, set %s to a directory of your own, or %s", c.setting(e.Role), c.unset())
		}),
		hintFor("refused", func(e *toolset.LayerError, c Context) string {
			hint := fmt.Sprintf("kist --store %s %s %s, run by its owner, changes it", e.Store, c.Verb, e.Release.Ref())
			if c.Verb == "update" {
				hint += fmt.Sprintf("; kist install %s@VERSION installs another version of your own", e.Release.Key())
			}
			return hint
		}),
		hintFor("refused", func(e *install.SeparatorError, c Context) string {
			return fmt.Sprintf("set %s to a directory without %q in its path", c.setting(e.Role), e.Separator)
		}),
		hintFor("refused", func(e *plan.ForeignFileError, c Context) string {
			if c.Verb == "install" {
				return fmt.Sprintf("move %s away, or install with --no-default and use kist run", e.Path)
			}
			return fmt.Sprintf("move %s away, then run the same command again", e.Path)
		}),
		hintFor("refused", func(e *plan.ConflictError, c Context) string {
			switch c.Verb {
			case "image":
				return "leave one of the two out, or make an image of each"
			case "sync":
				return fmt.Sprintf("name only one of the two, and uninstall the other: kist uninstall %s", e.Owner)
			}
			return fmt.Sprintf("install with --no-default and use kist run, or kist uninstall %s first", e.Owner)
		}),
		fixedHint[*install.CrossedLinkError]("refused", "put back the directory that became a link, then run the same command again"),
		fixedHint[*install.NoLocksError]("refused", "set XDG_STATE_HOME, XDG_DATA_HOME and XDG_CACHE_HOME to directories on a local disk"),
		fixedHint[*install.GenerationError]("refused", "kist uninstall --all still removes everything, by the receipts alone"),
		hintFor("refused", func(e *install.OtherPlaceError, _ Context) string {
			return fmt.Sprintf("set %s=%s, then run the same command again", xdgName(e.Role), e.Base)
		}),
		hintFor("refused", func(e *install.BecameLinkError, _ Context) string {
			if base := e.Base(); base != "" {
				return fmt.Sprintf("put back the directory that was there; if you moved it on purpose, set %s=%s", xdgName(e.Role), base)
			}
			return "put back the directory that was there, then run the same command again"
		}),
		hintFor("refused", func(e *install.SharedBinError, _ Context) string {
			return fmt.Sprintf("set XDG_BIN_HOME to another directory for this copy; or remove the other store first, by kist self uninstall with XDG_DATA_HOME=%s and its XDG_STATE_HOME", filepath.Dir(e.Other))
		}),
		hintFor("refused", func(e *install.UnmountedError, _ Context) string {
			return fmt.Sprintf("mount it, then run the same command again; if it is gone for good, delete %s: kist then goes on without it", e.Note)
		}),
		hintFor("refused", func(e *install.NoteError, _ Context) string {
			return "put back " + e.Path + " from a backup, or delete it: kist writes a new one"
		}),
		hintFor("refused", func(e *install.ObstacleError, _ Context) string {
			return "move " + e.Path + " away, then run the same command again"
		}),
		fixedHint[*install.ReceiptError]("refused", "put back the receipt from a backup; kist removes nothing by one it cannot trust"),

		hintFor("untrusted", func(e *lockfile.MismatchError, _ Context) string {
			if e.Installed {
				return fmt.Sprintf("kist uninstall %s, then kist install --locked puts the locked one there; if kist.lock was edited, restore it from version control", e.Tool)
			}
			return "if the channel published again, look at what it did, then kist lock --update; if kist.lock was edited, restore it from version control"
		}),
		fixedHint[*install.TreeError]("untrusted", "if kist.lock was edited, restore it from version control; else tell who made the lock: the same archives gave other files there"),
		fixedHint[*install.EntryError]("untrusted", "kist never unpacks such an archive; its maker must pack it differently"),
		hintFor("untrusted", func(e *evidence.UnprovedError, _ Context) string {
			return fmt.Sprintf("kist uninstall %s removes it; ask its publisher what happened", e.Release)
		}),
		fixedHint[*channels.RulesError]("untrusted", "until that file is corrected, no channel is trusted"),
		hintFor("untrusted", func(e *limits.WithdrawnError, _ Context) string {
			if e.ReplacedBy != "" {
				return fmt.Sprintf("kist install %s/%s@=%s", e.Channel, e.Tool, e.ReplacedBy)
			}
			return fmt.Sprintf("kist list --available %s/%s shows the versions that are not withdrawn", e.Channel, e.Tool)
		}),
		hintFor("untrusted", func(e *limits.DeniedError, _ Context) string {
			return fmt.Sprintf("kist list --available %s/%s shows the other versions; ask the administrator of %s if this one should be allowed", e.Channel, e.Tool, e.By.File)
		}),
		hintFor("untrusted", func(e *channels.RuleError, _ Context) string { return "ask the administrator of " + e.File }),
		fixedHint[*verify.DigestError]("untrusted", "the file is damaged, or not the one that was signed; try again later, or from another network"),
		fixedHint[*UnreadableError]("untrusted", "check that it is the right file and can be read"),
		fixedHint[*namedfiles.KeyError]("untrusted", "name a file of OpenPGP public keys, as gpg --armor --export writes it"),
		hintFor("untrusted", func(e *trust.WeakKeyError, _ Context) string { return "its owner should " + e.Remedy }),
		hintFor("untrusted", func(e *manifests.MismatchError, _ Context) string {
			return "do not work around this; try again later, or from another network; if that does not help, ask the publisher, by another way, what happened" + whoMaySign(e.Err)
		}),
		hintFor("untrusted", func(e *verify.SignatureError, _ Context) string {
			return "do not work around this; ask the publisher, by another way, what happened" + whoMaySign(e)
		}),

		hintFor("stale", func(e *limits.YoungError, _ Context) string {
			return fmt.Sprintf("wait until then, or install an older version, which kist list --available %s/%s shows", e.Channel, e.Tool)
		}),
		hintFor("stale", func(e *verify.ExpiredError, _ Context) string {
			if e.Issued.After(e.Now) {
				return "check whether this machine's clock is right"
			}
			return "the publisher must sign again; until then nothing from this channel can be trusted to be current"
		}),
		hintFor("stale", func(e *verify.WithheldError, _ Context) string {
			return fmt.Sprintf("try again later, or from another mirror; where the mirror is meant to lack it: kist channel refresh %s", e.Channel)
		}),
		hintFor("stale", func(e *verify.MarkError, _ Context) string {
			return fmt.Sprintf("kist channel refresh %s recreates it", e.Channel)
		}),
	}
}
