package failure

import (
	"context"
	"errors"
	"io/fs"
	"syscall"
)

// A Kind is a class of failures. An error states its kind by a method Kind() string; one
// that wraps others also has theirs.
type Kind struct {
	Name    string // as the JSON output has it
	Code    int    // exit code
	Verdict Verdict
	Means   string // for the reference
	hint    string // where hints has nothing better
}

// A Verdict is what a failure says about the channel that was asked, the gravest last.
type Verdict int

const (
	NoVerdict   Verdict = iota // nothing: the failure is not the channel's
	Lacking                    // it does not have what was asked for
	Unreachable                // it gave no usable answer
	OutOfDate                  // its documents are stale
	Unproved                   // its documents or its files are not proved
)

// Kinds returns every kind, in order of precedence: an error that has several counts as
// the first. What was found to be unsafe, untrusted or stale precedes an interruption,
// which must not hide it.
func Kinds() []Kind {
	return []Kind{
		{"outdated", 100, NoVerdict, "there are updates", ""},
		{"internal", 1, NoVerdict, "a bug in kist", "this is a bug in kist; please report it with the output of the same command with -v"},
		{"kept", 10, NoVerdict, "done, but files were kept that were changed, or are not kist's", "look at them, and delete what you do not need"},
		{"drift", 1, NoVerdict, "a file is not as it was installed", ""},
		{"findings", 1, NoVerdict, "something is wrong, or known against what is installed", ""},
		{"child", 1, NoVerdict, "the process that unpacks ended early", "if memory is short, run the same command again when more is free; otherwise please report it, with the name of the file"},
		{"lock", 1, NoVerdict, "kist.lock does not answer what the project asks for", "kist lock brings it up to date; look at what it changes before you commit it"},
		{"evidence", 1, NoVerdict, "what would prove a release again is missing", ""},
		{"declined", 1, NoVerdict, "the user did not confirm", ""},
		{"usage", 2, NoVerdict, "the command line is wrong, or says too little", ""},
		{"failed", 1, NoVerdict, "anything else", "run the same command again; if that fails too, check the disk, and what else is running"},
		{"refused", 9, NoVerdict, "a directory of the system or of others, or that became a link, or that belongs with another; a file that is not kist's; a tool of the system", ""},
		{"untrusted", 4, Unproved, "a signature, digest, size, archive or manifest is not what it must be; or its publisher withdrew it, or policy.toml denies it", "what is served is not what was promised; tell its publisher, and try again later"},
		{"settings", 1, NoVerdict, "a file of kist's settings is damaged", ""},
		{"stale", 5, OutOfDate, "expired, older than what was already seen, or other content under a serial already seen; or too new for policy.toml", "an old copy is served, by a stale mirror or an attacker; try again later, or from another network"},
		{"interrupted", 130, NoVerdict, "interrupted", "the same command can be run again at any time"},
		{"busy", 7, NoVerdict, "another kist is at work, and was for as long as `--wait` says; it is named", "wait until it is done, then run the same command again; --wait 1h waits longer"},
		{"space", 8, NoVerdict, "no space", "free some space there, then run the same command again; kist dirs lists kist's directories"},
		{"no-proc", 8, NoVerdict, "no `/proc`, which unpacking needs", "mount it (mount -t proc proc /proc), or ask the administrator of this chroot or container to, then run the same command again"},
		{"noexec", 8, NoVerdict, "a file system that is mounted noexec holds the command", ""},
		{"permission", 8, NoVerdict, "no permission", "kist dirs lists the directories that you must be able to write"},
		{"not-installed", 3, Lacking, "not installed", "kist list shows what is installed"},
		{"unmet", 3, Lacking, "nothing that `ensure` may use is new enough", ""},
		{"gone", 3, Lacking, "installed, but gone from the disk", ""},
		{"unknown", 3, Lacking, "no such tool, version, component, target, profile, set or channel", ""},
		{"unsupported", 3, Lacking, "not made for this platform", "kist channel list shows which channel offers what"},
		{"unsatisfied", 3, Lacking, "a distribution lacks a package that the tool needs", "the distribution, or this mirror of it, lacks a package that others depend on; try again later, or another mirror"},
		{"missing", 3, Lacking, "no such file", ""},
		{"no-mirror", 6, Unreachable, "no mirror of the distribution is known", ""},
		{"web-page", 6, Unreachable, "a web page came instead of a file", "if this network wants a login, open any page in a browser first; else the server does not have that file"},
		{"encoded", 6, Unreachable, "a document came compressed", "the server, or a proxy before it, must send that file as it is stored; tell its operator"},
		{"offline", 6, Unreachable, "the network was needed, and forbidden", "run the same command without --offline, with a network"},
		{"unreachable", 6, Unreachable, "no usable answer", "check the network and its proxy (HTTPS_PROXY, ALL_PROXY), then run the same command again"},
	}
}

// An Exit is an exit code and its meaning.
type Exit struct {
	Code  int
	Means string
}

// Exits returns every exit code.
func Exits() []Exit {
	return []Exit{
		{0, "done, or nothing to do"},
		{1, "failed"},
		{2, "the command line is wrong"},
		{3, "no such tool, version, component, target, profile or platform; not installed"},
		{4, "not trusted: a signature, digest, archive or manifest is wrong; or withdrawn, or denied"},
		{5, "stale: expired, or older than what was already seen; or too new for policy.toml"},
		{6, "the network gave no usable answer, or --offline forbids it"},
		{7, "another kist is running"},
		{8, "no space, or no permission"},
		{9, "refused for safety"},
		{10, "done, but changed files were kept"},
		{100, "there are updates"},
		{125, "the toolchain is not installed, or kist itself failed"},
		{126, "the command cannot be executed"},
		{127, "the command was not found"},
		{130, "interrupted; nothing is half done"},
	}
}

// KindOf returns the kind of err.
func KindOf(err error) Kind {
	has := map[string]bool{}
	addKinds(has, err)
	for _, s := range append(systemKinds(), []systemKind{
		{context.Canceled, "interrupted"}, {syscall.ENOSPC, "space"}, {syscall.EDQUOT, "space"},
		{fs.ErrPermission, "permission"}, {syscall.EROFS, "permission"},
	}...) {
		if errors.Is(err, s.err) {
			has[s.kind] = true
		}
	}
	for _, k := range Kinds() {
		if has[k.Name] {
			return k
		}
	}
	return Kind{Name: "failed", Code: 1}
}

// A systemKind is the kind of an error of the system.
type systemKind struct {
	err  error
	kind string
}

// addKinds adds the kinds of err and of the errors that it wraps to has.
func addKinds(has map[string]bool, err error) {
	if e, ok := err.(interface{ Kind() string }); ok {
		has[e.Kind()] = true
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		addKinds(has, e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, cause := range e.Unwrap() {
			addKinds(has, cause)
		}
	}
}
