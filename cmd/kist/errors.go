package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/download"
	"github.com/kist-tools/kist/install/evidence"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/unpack"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/debian"
	"github.com/kist-tools/kist/manifests/gosum"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/manifests/rust"
	"github.com/kist-tools/kist/manifests/system"
	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/manifests/upstreams"
	"github.com/kist-tools/kist/verify"
)

// A failure is an error as kist reports it.
type failure struct {
	Code    int    `json:"code"` // exit code
	Kind    string `json:"kind"` // the class of the error, for programs
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`

	unchanged bool // the verb changed nothing, though it could have
}

func (f *failure) code() int {
	if f == nil {
		return 0
	}
	return f.Code
}

// explain maps an error to its exit code and its hint. Both are chosen only in this
// file.
func (a *app) explain(err error) *failure {
	var launch *launchError
	var exit *exitError
	if errors.As(err, &exit) {
		return &failure{Code: exit.Code}
	}
	if _, ok := errors.AsType[*outdatedError](err); ok {
		f := &failure{Code: 100, Kind: "outdated"}
		if a.JSON { // as text, the result itself shows it
			f.Message = term.ErrorText(err)
		}
		return f
	}
	f := a.classify(err)
	if f.Message == "" {
		f.Message = term.ErrorText(err)
	}
	f.Message, f.Hint = term.Brief(f.Message), term.Brief(f.Hint)
	if errors.As(err, &launch) {
		f.Code, f.Kind = launch.Code, "run"
	}
	_, unfinished := errors.AsType[*install.UnfinishedError](err)
	if unfinished { // running the same command again might do it twice
		f.Hint = "the next command that changes anything finishes this first"
	}
	others, left := errors.AsType[*channelsError](err)
	f.unchanged = a.verb.changes && f.Code >= 3 && f.Code <= 9 && !unfinished && !a.keysChanged && !a.changed && !(left && others.Changed)
	return &f
}

func (a *app) classify(err error) failure {
	for _, class := range []func(error) (failure, bool){
		a.ended, a.misused, unread, a.refused, a.untrusted, a.stale, interrupted, busy, limits, a.unknown, a.network,
	} {
		if f, ok := class(err); ok {
			return f
		}
	}
	return failure{Code: 1, Kind: "failed"}
}

// interrupted classifies an interruption by the user: 130. It comes after every class
// that is a verdict, so that an interruption does not hide what was found to be
// untrusted, stale or unsafe.
func interrupted(err error) (failure, bool) {
	_, ok := errors.AsType[*interruptedError](err)
	return failure{Code: 130, Kind: "interrupted", Message: "interrupted", Hint: "the same command can be run again at any time"},
		ok || errors.Is(err, context.Canceled)
}

// ended classifies work that finished with a finding or broke off: 1, 10.
func (a *app) ended(err error) (failure, bool) {
	if e, ok := errors.AsType[*internalError](err); ok {
		for line := range strings.Lines(e.stack) {
			a.Detail("  %s", strings.TrimRight(line, "\n"))
		}
		return failure{Code: 1, Kind: "internal", Hint: "this is a bug in kist; please report it with the output of the same command with -v"}, true
	}
	if _, ok := errors.AsType[*unnamedFilesError](err); ok {
		return failure{Code: 10, Kind: "kept", Hint: "look at them, and delete what you do not need"}, true
	}
	if _, ok := errors.AsType[*keptError](err); ok {
		return failure{Code: 10, Kind: "kept", Hint: "look at them, and delete what you do not need"}, true
	}
	if e, ok := errors.AsType[*driftError](err); ok {
		ref := strings.Join(e.Releases, " ")
		return failure{Code: 1, Kind: "drift", Hint: fmt.Sprintf("kist uninstall %s removes what is unchanged; then kist install %s puts it back", ref, strings.ReplaceAll(ref, "@", "@="))}, true
	}
	if e, ok := errors.AsType[*install.ReuseError](err); ok {
		if f, ok := a.refused(e.Err); ok {
			return f, true
		}
		return failure{Code: 1, Kind: "drift", Hint: fmt.Sprintf("kist verify %s names what changed", e.Release)}, true
	}
	if _, ok := errors.AsType[*install.ChildError](err); ok {
		return failure{Code: 1, Kind: "child", Hint: "if memory is short, run the same command again when more is free; otherwise please report it, with the name of the file"}, true
	}
	if e, ok := errors.AsType[*evidence.LostError](err); ok {
		return failure{Code: 1, Kind: "evidence", Hint: fmt.Sprintf("kist uninstall %s, then kist install %s proves it again", e.Release, exactRef(e.Release))}, true
	}
	if e, ok := errors.AsType[*channels.SettingsError](err); ok && !errors.Is(err, verify.ErrUntrusted) {
		f := failure{Code: 1, Kind: "settings", Hint: "put back " + e.File + " from a backup; kist dirs says below which directory"}
		if name, ok := strings.CutSuffix(filepath.Base(e.File), ".toml"); ok {
			f.Hint = fmt.Sprintf("put it back from a backup, or delete %s, then add channel %s again", filepath.Join(a.Dirs.Config, "kist", filepath.FromSlash(e.File)), name)
		}
		return f, true
	}
	if _, ok := errors.AsType[*declinedError](err); ok {
		return failure{Code: 1, Kind: "declined", Message: "not confirmed; nothing was changed"}, true
	}
	return failure{}, false
}

// misused classifies a wrong or incomplete command line: 2.
func (a *app) misused(err error) (failure, bool) {
	f := failure{Code: 2, Kind: "usage"}
	help := strings.Join(strings.Fields("kist "+a.path+" --help"), " ")
	if e, ok := errors.AsType[*unknownVerbError](err); ok {
		f.Hint = e.Parent + " --help lists them"
		if e.Try != "" {
			f.Hint = e.Try
		} else if len(e.Near) > 0 {
			f.Hint = fmt.Sprintf("did you mean %s %s?", e.Parent, strings.Join(e.Near, " or "))
		}
	} else if _, ok := errors.AsType[*usageError](err); ok {
		f.Hint = help
	} else if _, ok := errors.AsType[*trust.InputError](err); ok {
		f.Hint = help
	} else if e, ok := errors.AsType[*trust.SeveralChannelsError](err); ok {
		f.Hint = fmt.Sprintf("say which: kist %s %s/%s", strings.Join(append([]string{a.path}, e.Flags...), " "), e.Channels[0], e.Tool)
		if a.path == "ensure" {
			f.Hint = fmt.Sprintf("say which: kist ensure '%s/%s>=VERSION'", e.Channels[0], e.Tool)
		}
	} else if e, ok := errors.AsType[*severalVersionsError](err); ok {
		f.Hint = fmt.Sprintf("say which: kist %s %s", a.path, e.Refs[0])
	} else if e, ok := errors.AsType[*trust.TakenError](err); ok {
		f.Hint = fmt.Sprintf("kist channel show %s shows it; to replace it, kist channel remove %s first", e.Name, e.Name)
	} else if e, ok := errors.AsType[*trust.BuiltinError](err); ok {
		f.Hint = "choose another name; kist channel show " + e.Name + " shows whom it trusts"
		if a.path == "channel remove" {
			f.Hint = "a built-in channel cannot be removed; policy.toml says which channels are allowed"
		}
	} else if _, ok := errors.AsType[*trust.FormatError](err); ok {
		f.Hint = "the formats that can be added are: native, rust, debian, " + strings.Join(upstreams.MirrorFormats(), ", ")
	} else if e, ok := errors.AsType[*plan.NeededError](err); ok {
		f.Hint = "kist uninstall " + e.Release + " removes all of it"
	} else if _, ok := errors.AsType[*rust.ToolchainFileError](err); ok {
		f.Hint = "name what you want: kist install rust@stable"
	} else if _, ok := errors.AsType[*publish.InputError](err); ok {
		f.Hint = help
	} else if _, ok := errors.AsType[*publish.GuessError](err); ok {
		f.Hint = help
	} else if e, ok := errors.AsType[*noMatchError](err); ok {
		f.Hint = "say with --command which files become commands"
		if len(e.Programs) > 0 {
			f.Hint += fmt.Sprintf(", such as --command %s", host.Quote(e.Programs[0]))
		}
	} else if _, ok := errors.AsType[*publish.ExistsError](err); ok {
		f.Hint = "add to it with kist publish add"
	} else if _, ok := errors.AsType[*publish.NoKeysError](err); ok {
		f.Hint = "kist publish sign DIR --secret-key FILE signs the channel; or name the keys that signed it with --key FILE"
	} else if _, ok := errors.AsType[*silentWitnessError](err); ok {
		f.Hint = "name a file of the archive, as it is once unpacked, and a text that it holds"
	} else if errors.Is(err, verify.ErrPassphrase) {
		f.Hint = "sign with gpg: kist publish sign DIR --unsigned-out FILE, then --attach FILE.asc"
	} else if e, ok := errors.AsType[*keyFileError](err); ok && e.Secret {
		f.Hint = "--secret-key takes a secret key, as gpg --armor --export-secret-keys writes it"
	} else {
		return f, false
	}
	return f, true
}

// unread classifies kist's own files that the system could not read just now, though
// they may be intact: 1; without permission 8.
func unread(err error) (failure, bool) {
	_, generation := errors.AsType[*install.GenerationError](err)
	_, receipt := errors.AsType[*install.ReceiptError](err)
	_, mark := errors.AsType[*verify.MarkError](err)
	_, rules := errors.AsType[*channels.RulesError](err)
	if !generation && !receipt && !mark && !rules {
		return failure{}, false
	}
	for _, errno := range []syscall.Errno{syscall.EIO, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM} {
		if errors.Is(err, errno) {
			return failure{Code: 1, Kind: "failed", Hint: "run the same command again; if that fails too, check the disk, and what else is running"}, true
		}
	}
	if errors.Is(err, fs.ErrPermission) {
		return limits(err)
	}
	return failure{}, false
}

// refused classifies refusals that protect files that are not kist's: 9.
func (a *app) refused(err error) (failure, bool) {
	f := failure{Code: 9, Kind: "refused"}
	if e, ok := errors.AsType[*trust.SystemError](err); ok {
		f.Hint = fmt.Sprintf("kist ensure 'system/%s>=VERSION' tells what the system has", cmp.Or(e.Tool, "TOOL"))
		if own, ok := trust.Installable(e.Tool, a.Distro); ok && a.path == "install" {
			f.Hint = fmt.Sprintf("kist install %s installs your own beside it", own)
		} else if a.path == "uninstall" {
			f.Hint = "remove it with what installed it: the system's package manager, or another installer"
		}
		return f, true
	}
	if _, ok := errors.AsType[*host.NoHomeError](err); ok {
		f.Hint = "set HOME to a directory of your own"
		return f, true
	}
	if e, ok := errors.AsType[*install.SystemPrefixError](err); ok {
		f.Hint = fmt.Sprintf("set XDG_%s_HOME to a directory of your own, or unset it", strings.ToUpper(e.Role))
		return f, true
	}
	if e, ok := errors.AsType[*install.UnsafeDirError](err); ok {
		f.Hint = fmt.Sprintf("let only yourself write there, or set XDG_%s_HOME to another directory", strings.ToUpper(e.Role))
		return f, true
	}
	if e, ok := errors.AsType[*install.OwnerError](err); ok {
		f.Hint = fmt.Sprintf("for toolchains of your own, unset XDG_%s_HOME, or set it to a directory of your own", strings.ToUpper(e.Role))
		return f, true
	}
	if e, ok := errors.AsType[*install.SeparatorError](err); ok {
		f.Hint = fmt.Sprintf("set XDG_%s_HOME to a directory without %q in its path", strings.ToUpper(e.Role), e.Separator)
		return f, true
	}
	if e, ok := errors.AsType[*plan.ForeignFileError](err); ok {
		f.Hint = fmt.Sprintf("move %s away, then run the same command again", e.Path)
		if a.path == "install" {
			f.Hint = fmt.Sprintf("move %s away, or install with --no-default and use kist run", e.Path)
		}
		return f, true
	}
	if e, ok := errors.AsType[*plan.ConflictError](err); ok {
		f.Hint = fmt.Sprintf("install with --no-default and use kist run, or kist uninstall %s first", e.Owner)
		return f, true
	}
	if _, ok := errors.AsType[*install.CrossedLinkError](err); ok {
		f.Hint = "put back the directory that became a link, then run the same command again"
		return f, true
	}
	if _, ok := errors.AsType[*install.NoLocksError](err); ok {
		f.Hint = "set XDG_STATE_HOME, XDG_DATA_HOME and XDG_CACHE_HOME to directories on a local disk"
		return f, true
	}
	if _, ok := errors.AsType[*install.GenerationError](err); ok {
		f.Hint = "kist uninstall --all still removes everything, by the receipts alone"
		return f, true
	}
	if e, ok := errors.AsType[*install.OtherPlaceError](err); ok {
		f.Hint = fmt.Sprintf("set XDG_%s_HOME=%s, then run the same command again", strings.ToUpper(e.Role), e.Base)
		return f, true
	}
	if e, ok := errors.AsType[*install.BecameLinkError](err); ok {
		f.Hint = "put back the directory that was there, then run the same command again"
		if base := e.Base(); base != "" {
			f.Hint = fmt.Sprintf("put back the directory that was there; if you moved it on purpose, set XDG_%s_HOME=%s", strings.ToUpper(e.Role), base)
		}
		return f, true
	}
	if e, ok := errors.AsType[*install.UnmountedError](err); ok {
		f.Hint = fmt.Sprintf("mount it, then run the same command again; if it is gone for good, delete %s: kist then goes on without it", e.Note)
		return f, true
	}
	if e, ok := errors.AsType[*install.NoteError](err); ok {
		f.Hint = "put back " + e.Path + " from a backup, or delete it: kist writes a new one"
		return f, true
	}
	if e, ok := errors.AsType[*install.ObstacleError](err); ok {
		f.Hint = "move " + e.Path + " away, then run the same command again"
		return f, true
	}
	if e, ok := errors.AsType[*install.ForeignLockError](err); ok {
		f.Hint = "move " + e.Path + " away, then run the same command again"
		return f, true
	}
	if _, ok := errors.AsType[*install.ReceiptError](err); ok {
		f.Hint = "put back the receipt from a backup; kist removes nothing by one it cannot trust"
		return f, true
	}
	return f, false
}

// untrusted classifies what could not be proved: 4.
func (a *app) untrusted(err error) (failure, bool) {
	f := failure{Code: 4, Kind: "untrusted"}
	if e, ok := errors.AsType[*publish.KeyError](err); ok {
		f.Hint = e.Findings[0].Remedy
		return f, true
	}
	if !errors.Is(err, verify.ErrUntrusted) {
		return f, false
	}
	if a.publishes() {
		f.Hint = a.publisherHint(err)
		return f, true
	}
	f.Hint = "what is served is not what was promised; tell its publisher, and try again later"
	if e, ok := errors.AsType[*verify.SignatureError](err); ok {
		f.Hint = "do not work around this; ask the publisher, by another way, what happened"
		if len(e.Wanted) == 1 {
			f.Hint += fmt.Sprintf(" (only %s may sign)", e.Wanted[0].Spaced())
		}
	}
	if e, ok := errors.AsType[*trust.WeakKeyError](err); ok {
		f.Hint = "its owner should " + e.Remedy
	}
	if _, ok := errors.AsType[*keyFileError](err); ok {
		f.Hint = "name a file of OpenPGP public keys, as gpg --armor --export writes it"
	}
	if _, ok := errors.AsType[*unreadableError](err); ok {
		f.Hint = "check that it is the right file and can be read"
	}
	if _, ok := errors.AsType[*verify.DigestError](err); ok {
		f.Hint = "the file is damaged, or not the one that was signed; try again later, or from another network"
	}
	if e, ok := errors.AsType[*channels.RuleError](err); ok {
		f.Hint = "ask the administrator of " + e.File
	}
	if _, ok := errors.AsType[*channels.RulesError](err); ok {
		f.Hint = "until that file is corrected, no channel is trusted"
	}
	if e, ok := errors.AsType[*evidence.UnprovedError](err); ok {
		f.Hint = fmt.Sprintf("kist uninstall %s removes it; ask its publisher what happened", e.Release)
	}
	if _, ok := errors.AsType[*unpack.EntryError](err); ok {
		f.Hint = "kist never unpacks such an archive; its maker must pack it differently"
	}
	return f, true
}

// publisherHint returns what a publisher should do about a channel of their own that
// users would refuse.
func (a *app) publisherHint(err error) string {
	if e, ok := errors.AsType[*verify.ExpiredError](err); ok {
		if e.Issued.After(e.Now) {
			return "check whether this machine's clock is right"
		}
		return "sign it again: kist publish sign DIR --secret-key FILE, or for the keys kist publish keys DIR --secret-key FILE"
	}
	if _, ok := errors.AsType[*verify.DowngradeError](err); ok {
		return "a newer one was published meanwhile: kist publish sign DIR --unsigned-out FILE writes what to sign now"
	}
	if errors.Is(err, verify.ErrStale) {
		return "put back keys.toml and what is in keys/ as kist publish keys wrote them"
	}
	_, unsigned := errors.AsType[*verify.SignatureError](err)
	switch {
	case unsigned && a.path == "publish verify":
		return "have enough of those keys sign: kist publish sign DIR --secret-key FILE"
	case unsigned:
		return "sign the very bytes that --unsigned-out FILE writes, with a key of the channel: gpg --armor --detach-sign FILE"
	}
	if _, ok := errors.AsType[*native.FormatError](err); ok {
		return "correct that in a text editor, then kist publish sign DIR --secret-key FILE"
	}
	if _, ok := errors.AsType[*keyFileError](err); ok {
		return "name a file of OpenPGP public keys, as gpg --armor --export writes it"
	}
	if _, ok := errors.AsType[*unpack.EntryError](err); ok {
		return "users refuse such an archive: pack it again without that, and add it with kist publish add"
	}
	if _, ok := errors.AsType[*verify.DigestError](err); ok {
		return "put the file back as it was signed, or add the new one with kist publish add, then kist publish sign"
	}
	if a.path == "publish verify" {
		return "change the release with kist publish add, edit or remove, then kist publish sign"
	}
	return "check that it is the right file"
}

// stale classifies what is proved, but expired or older than something seen: 5.
func (a *app) stale(err error) (failure, bool) {
	f := failure{Code: 5, Kind: "stale"}
	if !errors.Is(err, verify.ErrStale) {
		return f, false
	}
	if a.publishes() {
		f.Hint = a.publisherHint(err)
		return f, true
	}
	f.Hint = "an old copy is served, by a stale mirror or an attacker; try again later, or from another network"
	if e, ok := errors.AsType[*verify.MarkError](err); ok {
		f.Hint = fmt.Sprintf("kist channel refresh %s recreates it", e.Channel)
	}
	if e, ok := errors.AsType[*verify.WithheldError](err); ok {
		f.Hint = fmt.Sprintf("try again later, or from another mirror; where the mirror is meant to lack it: kist channel refresh %s", e.Channel)
	}
	if e, ok := errors.AsType[*verify.ExpiredError](err); ok {
		f.Hint = "the publisher must sign again; until then nothing from this channel can be trusted to be current"
		if e.Issued.After(e.Now) {
			f.Hint = "check whether this machine's clock is right"
		}
	}
	return f, true
}

// busy classifies a lock that another kist holds: 7.
func busy(err error) (failure, bool) {
	_, ok := errors.AsType[*install.BusyError](err)
	return failure{Code: 7, Kind: "busy", Hint: "wait until it is done, then run the same command again; --wait 1h waits longer"}, ok
}

// limits classifies a lack of space or permission on this machine: 8.
func limits(err error) (failure, bool) {
	if e, ok := errors.AsType[*download.SpaceError](err); ok {
		lacking := term.ByteSize(e.Need - e.Free)
		if e.Files {
			lacking = term.Count(int(e.Need-e.Free), "file")
		}
		return failure{Code: 8, Kind: "space", Hint: fmt.Sprintf("free %s there, then run the same command again", lacking)}, true
	}
	if _, ok := errors.AsType[*install.NoProcError](err); ok {
		return failure{Code: 8, Kind: "no-proc", Hint: "mount it (mount -t proc proc /proc), or ask the administrator of this chroot or container to, then run the same command again"}, true
	}
	if e, ok := errors.AsType[*noExecError](err); ok {
		return failure{Code: 8, Kind: "noexec", Hint: fmt.Sprintf("mount it without noexec, or set XDG_DATA_HOME to a directory on another file system and install %s there", e.Release)}, true
	}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return failure{Code: 8, Kind: "space", Hint: "free some space there, then run the same command again; kist dirs lists kist's directories"}, true
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return failure{Code: 8, Kind: "permission", Hint: "kist dirs lists the directories that you must be able to write"}, true
	}
	return failure{}, false
}

// putBack returns the hint for a release that is gone from the disk, or "" if the
// system could not tell whether it is.
func putBack(e *install.MissingError) string {
	if !e.Gone() {
		return ""
	}
	return "kist install " + exactRef(e.Release) + " puts it back"
}

// exactRef spells channel/tool@version so that no other version is meant.
func exactRef(release string) string { return strings.Replace(release, "@", "@=", 1) }

// unknown classifies names that do not exist: 3.
func (a *app) unknown(err error) (failure, bool) {
	f := failure{Code: 3, Kind: "unknown"}
	if e, ok := errors.AsType[*notInstalledError](err); ok {
		f.Kind, f.Hint = "not-installed", "kist install "+e.Ref.String()
		if a.path == "uninstall" {
			f.Hint = "kist list shows what is installed"
		}
		if len(e.Near) > 0 {
			f.Hint = fmt.Sprintf("did you mean %s? otherwise: kist install %s", strings.Join(e.Near, " or "), e.Ref)
		}
		return f, true
	}
	if e, ok := errors.AsType[*unmetError](err); ok && e.Err == nil {
		f.Kind = "unmet"
		own, ok := trust.Installable(e.Demand.Name, a.Distro)
		switch {
		case e.Demand.Channel == system.Channel:
			f.Hint = "update it with what installed it"
			if ok {
				f.Hint = fmt.Sprintf("update it with what installed it, or install your own: kist install %s", own)
			}
		case e.Asked:
			f.Hint = fmt.Sprintf("kist list --available %s shows what there is", trust.Ref{Channel: e.Demand.Channel, Name: e.Demand.Name})
		case e.Demand.Channel == "" && strings.Contains(own, "/"):
			f.Hint = fmt.Sprintf("kist list %s --distros shows which distribution ships one", e.Demand.Name)
		default:
			f.Hint = fmt.Sprintf("kist ensure '%s' --prefer network", e.Demand)
		}
		return f, true
	}
	if _, ok := errors.AsType[*plan.NotInstalledError](err); ok {
		f.Kind, f.Hint = "not-installed", "kist list shows what is installed"
		return f, true
	}
	if e, ok := errors.AsType[*install.MissingError](err); ok && e.Gone() {
		f.Kind, f.Hint = "gone", putBack(e)
		return f, true
	}
	if e, ok := errors.AsType[*plan.GoneError](err); ok {
		f.Kind = "gone"
		if e.Generation == 0 {
			f.Hint = "kist install " + exactRef(e.Release) + " puts it back"
		}
		return f, true
	}
	if _, ok := errors.AsType[*plan.NoPreviousError](err); ok {
		return f, true
	}
	if e, ok := errors.AsType[*noCommandError](err); ok {
		f.Kind, f.Hint = "not-installed", "kist list shows what is installed"
		switch {
		case e.Has != "":
			f.Hint = fmt.Sprintf("%s has it: kist run %s -- %s", e.Has, e.Has, e.Command)
		case len(e.Near) > 0:
			f.Hint = "did you mean " + strings.Join(e.Near, " or ") + "?"
		}
		return f, true
	}
	if e, ok := errors.AsType[*manifests.UnknownVersionError](err); ok {
		f.Hint = fmt.Sprintf("kist list --available %s/%s shows what there is", e.Channel, e.Tool)
		if a.publishes() {
			f.Hint = "kist publish list DIR shows what there is"
		}
		return f, true
	}
	if e, ok := errors.AsType[*manifests.UnknownToolError](err); ok && a.publishes() {
		f.Hint = "kist publish list DIR shows what there is"
		if len(e.Near) > 0 {
			f.Hint = fmt.Sprintf("did you mean %s? kist publish list DIR shows what there is", e.Near[0])
		}
		return f, true
	}
	if e, ok := errors.AsType[*manifests.UnknownToolError](err); ok {
		a.unknownTool(e, &f)
		return f, true
	}
	if _, ok := errors.AsType[*noToolError](err); ok {
		f.Hint = "kist search without a word lists every tool"
		return f, true
	}
	if _, ok := errors.AsType[*debian.HostError](err); ok {
		f.Kind, f.Hint = "unsupported", "choose a distribution no newer than this machine's; kist channel list shows them"
		return f, true
	}
	if _, ok := errors.AsType[*debian.RefusedToolError](err); ok {
		f.Kind, f.Hint = "unsupported", "kist channel list shows which channel offers what"
		return f, true
	}
	if _, ok := errors.AsType[*debian.UnsatisfiedError](err); ok {
		f.Kind, f.Hint = "unsatisfied", "the distribution, or this mirror of it, lacks a package that others depend on; try again later, or another mirror"
		return f, true
	}
	if e, ok := errors.AsType[*noPackagesError](err); ok {
		f.Hint = fmt.Sprintf("kist list --available %s asks its own channel", e.Tool)
		return f, true
	}
	if _, ok := errors.AsType[*manifests.UnknownComponentError](err); ok {
		return f, true
	}
	if _, ok := errors.AsType[*manifests.UnknownTargetError](err); ok {
		return f, true
	}
	if _, ok := errors.AsType[*manifests.UnknownProfileError](err); ok {
		return f, true
	}
	if e, ok := errors.AsType[*manifests.UnsupportedPlatformError](err); ok {
		f.Kind, f.Hint = "unsupported", "kist list --available "+e.Tool+" shows other versions"
		return f, true
	}
	if _, ok := errors.AsType[*channels.UnknownChannelError](err); ok {
		f.Hint = "kist channel list shows every channel"
		return f, true
	}
	if _, ok := errors.AsType[*publish.NoChannelError](err); ok {
		f.Hint = "kist publish init DIR --channel NAME begins one"
		return f, true
	}
	if _, ok := errors.AsType[*missingFileError](err); ok {
		f.Kind = "missing"
		return f, true
	}
	return f, errors.Is(err, manifests.ErrNotFound)
}

// unknownTool hints at where the unknown tool of e can be had. For a bare name the
// distributions come first, whatever channels the user has added; then the reason why
// its upstream is not built in; then the name that was probably meant.
func (a *app) unknownTool(e *manifests.UnknownToolError, f *failure) {
	f.Hint = "kist search lists every tool"
	switch {
	case e.Channel == system.Channel:
		f.Hint = "kist channel show system lists those it knows"
		return
	case e.Channel != "" && len(e.Near) > 0:
		f.Hint = fmt.Sprintf("did you mean %s/%s?", e.Channel, e.Near[0])
		return
	}
	tool, calls := e.Tool, ""
	if other, ok := upstreams.Alias(tool); ok {
		tool, calls = other, fmt.Sprintf("; kist calls it %s", other)
	}
	reason, refused := upstreams.Refusal(tool)
	distros := trust.DistrosOf(tool, a.Distro)
	switch {
	case e.Channel != "":
		if ref, ok := trust.Installable(tool, a.Distro); ok {
			f.Hint = fmt.Sprintf("another channel has it: kist install %s", ref)
		}
	case trust.IsBuiltin(tool):
		f.Hint = fmt.Sprintf("did you mean %s?", tool)
	case len(distros) > 0:
		f.Hint = fmt.Sprintf("distributions have it; say which, such as %s/%s (%s)", distros[0], tool, strings.Join(distros, ", "))
	case refused:
		f.Message = fmt.Sprintf("no channel offers %q%s: %s", e.Tool, calls, reason)
		f.Hint = "kist channel add trusts a channel that you choose"
		if format, ok := upstreams.MirrorFormat(tool); ok {
			f.Hint = fmt.Sprintf("with keys that you hold: kist channel add NAME URL --format %s --tools %s --key FILE", format, tool)
		}
	case len(e.Near) > 0 && strings.Contains(e.Near[0], "/"): // in an added channel
		f.Hint = fmt.Sprintf("did you mean %s?", e.Near[0])
	default:
		if near := upstreams.Near(tool); len(near) > 0 {
			f.Hint = fmt.Sprintf("did you mean %s?", near[0])
		}
	}
}

// proxyAuthRequired is the status of a proxy that wants a user and password. RFC
// 9110, section 15.5.8.
const proxyAuthRequired = 407

// network classifies a network without a usable answer, or forbidden: 6.
func (a *app) network(err error) (failure, bool) {
	if e, ok := errors.AsType[*debian.NoMirrorError](err); ok {
		return failure{Code: 6, Kind: "no-mirror", Hint: fmt.Sprintf("name one: kist channel add %s URL/dists/%[1]s/ --format debian, then kist install %[1]s/TOOL", e.Codename)}, true
	}
	_, local := errors.AsType[*transport.FileError](err)
	_, unvouched := errors.AsType[*tls.CertificateVerificationError](err)
	_, page := errors.AsType[*manifests.PageError](err)
	_, encoded := errors.AsType[*manifests.EncodedError](err)
	_, proxied := errors.AsType[*transport.ProxyError](err)
	later, asked := errors.AsType[*transport.WaitError](err)
	status, answered := errors.AsType[*transport.StatusError](err)
	switch {
	case page:
		return failure{Code: 6, Kind: "web-page", Hint: "if this network wants a login, open any page in a browser first; else the server does not have that file"}, true
	case encoded:
		return failure{Code: 6, Kind: "encoded", Hint: "the server, or a proxy before it, must send that file as it is stored; tell its operator"}, true
	case asked:
		return failure{Code: 6, Kind: "unreachable", Hint: fmt.Sprintf("run the same command again in %s", transport.FormatWait(later.After))}, true
	case answered && status.Code == proxyAuthRequired:
		return failure{Code: 6, Kind: "unreachable", Hint: "give the proxy's user and password in its URL: http://USER:PASSWORD@HOST:PORT"}, true
	case proxied && !unvouched:
		return failure{Code: 6, Kind: "unreachable", Hint: "check the proxy that HTTPS_PROXY, HTTP_PROXY or ALL_PROXY names, then run the same command again"}, true
	case unvouched:
		return failure{Code: 6, Kind: "unreachable", Hint: "another server may have answered; if you use a private CA, name its certificate in SSL_CERT_FILE"}, true
	case local:
		return failure{Code: 6, Kind: "unreachable", Hint: "a file URL must name a regular file of this machine that you can read"}, true
	case errors.Is(err, gosum.ErrNoProxy):
		return failure{Code: 6, Kind: "unreachable", Hint: "name a module proxy in GOPROXY, or check the network, then run the same command again"}, true
	case errors.Is(err, gosum.ErrOff):
		return failure{Code: 6, Kind: "offline", Hint: "GOPROXY forbids it: name a module proxy there, or unset it"}, true
	case errors.Is(err, manifests.ErrOffline) && a.verb.local:
		return failure{Code: 6, Kind: "offline", Hint: fmt.Sprintf("kist %s uses no network; kist list --available TOOL asks the channel, and keeps the answer", a.path)}, true
	case errors.Is(err, manifests.ErrOffline):
		return failure{Code: 6, Kind: "offline", Hint: "run the same command without --offline, with a network"}, true
	case errors.Is(err, manifests.ErrUnreachable):
		return failure{Code: 6, Kind: "unreachable", Hint: "check the network and its proxy (HTTPS_PROXY, ALL_PROXY), then run the same command again"}, true
	}
	return failure{}, false
}
