package main

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"syscall"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/manifests"
)

// A kind is a class of failures. An error states its kind by a method Kind() string; one
// that wraps others also has theirs.
type kind struct {
	name    string // as the JSON output has it
	code    int    // exit code
	verdict channelVerdict
	means   string // for the reference
	hint    string // where hints has nothing better
}

// A channelVerdict is what a failure says about the channel that was asked, the gravest last.
type channelVerdict int

const (
	noVerdict   channelVerdict = iota // nothing: the failure is not the channel's
	lacking                           // it does not have what was asked for
	unreachable                       // it gave no usable answer
	outOfDate                         // its documents are stale
	unproved                          // its documents or its files are not proved
)

// kinds returns every kind, in order of precedence: an error that has several counts as
// the first. What was found to be unsafe, untrusted or stale precedes an interruption,
// which must not hide it.
func kinds() []kind {
	return []kind{
		{"outdated", 100, noVerdict, "there are updates", ""},
		{"internal", 1, noVerdict, "a bug in kist", "this is a bug in kist; please report it with the output of the same command with -v"},
		{"kept", 10, noVerdict, "done, but files were kept that were changed, or are not kist's", "look at them, and delete what you do not need"},
		{"drift", 1, noVerdict, "a file is not as it was installed", ""},
		{"child", 1, noVerdict, "the process that unpacks ended early", "if memory is short, run the same command again when more is free; otherwise please report it, with the name of the file"},
		{"evidence", 1, noVerdict, "what would prove a release again is missing", ""},
		{"declined", 1, noVerdict, "the user did not confirm", ""},
		{"usage", 2, noVerdict, "the command line is wrong, or says too little", ""},
		{"failed", 1, noVerdict, "anything else", "run the same command again; if that fails too, check the disk, and what else is running"},
		{"refused", 9, noVerdict, "a directory of the system or of others, or that became a link, or that belongs with another; a file that is not kist's; a tool of the system", ""},
		{"untrusted", 4, unproved, "a signature, digest, size, archive or manifest is not what it must be", "what is served is not what was promised; tell its publisher, and try again later"},
		{"settings", 1, noVerdict, "a file of kist's settings is damaged", ""},
		{"stale", 5, outOfDate, "expired, older than what was already seen, or something else under the same number", "an old copy is served, by a stale mirror or an attacker; try again later, or from another network"},
		{"interrupted", 130, noVerdict, "interrupted", "the same command can be run again at any time"},
		{"busy", 7, noVerdict, "another kist is at work, and was for as long as `--wait` says; it is named", "wait until it is done, then run the same command again; --wait 1h waits longer"},
		{"space", 8, noVerdict, "no space", "free some space there, then run the same command again; kist dirs lists kist's directories"},
		{"no-proc", 8, noVerdict, "no `/proc`, which unpacking needs", "mount it (mount -t proc proc /proc), or ask the administrator of this chroot or container to, then run the same command again"},
		{"noexec", 8, noVerdict, "a file system that is mounted noexec holds the command", ""},
		{"permission", 8, noVerdict, "no permission", "kist dirs lists the directories that you must be able to write"},
		{"not-installed", 3, lacking, "not installed", "kist list shows what is installed"},
		{"unmet", 3, lacking, "nothing that `ensure` may use is new enough", ""},
		{"gone", 3, lacking, "installed, but gone from the disk", ""},
		{"unknown", 3, lacking, "no such tool, version, component, target, profile or channel", ""},
		{"unsupported", 3, lacking, "not made for this platform", "kist channel list shows which channel offers what"},
		{"unsatisfied", 3, lacking, "a distribution lacks a package that the tool needs", "the distribution, or this mirror of it, lacks a package that others depend on; try again later, or another mirror"},
		{"missing", 3, lacking, "no such file", ""},
		{"no-mirror", 6, unreachable, "no mirror of the distribution is known", ""},
		{"web-page", 6, unreachable, "a web page came instead of a file", "if this network wants a login, open any page in a browser first; else the server does not have that file"},
		{"encoded", 6, unreachable, "a document came compressed", "the server, or a proxy before it, must send that file as it is stored; tell its operator"},
		{"offline", 6, unreachable, "the network was needed, and forbidden", "run the same command without --offline, with a network"},
		{"unreachable", 6, unreachable, "no usable answer", "check the network and its proxy (HTTPS_PROXY, ALL_PROXY), then run the same command again"},
	}
}

// An exit is an exit code and its meaning.
type exit struct {
	code  int
	means string
}

// exits returns every exit code.
func exits() []exit {
	return []exit{
		{0, "done, or nothing to do"},
		{1, "failed"},
		{2, "the command line is wrong"},
		{3, "no such tool, version, component, target, profile or platform; not installed"},
		{4, "not trusted: a signature, digest, archive or manifest is wrong"},
		{5, "stale: expired, or older than what was already seen"},
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

// A plainError has a kind and a text, and nothing that a hint depends on.
type plainError struct{ kind, text string }

func (e *plainError) Error() string { return e.text }
func (e *plainError) Kind() string  { return e.kind }

// kindOf returns the kind of err.
func kindOf(err error) kind {
	has := map[string]bool{}
	addKinds(has, err)
	for _, s := range []struct {
		err  error
		kind string
	}{
		{context.Canceled, "interrupted"}, {syscall.ENOSPC, "space"}, {syscall.EDQUOT, "space"},
		{fs.ErrPermission, "permission"}, {syscall.EROFS, "permission"},
	} {
		if errors.Is(err, s.err) {
			has[s.kind] = true
		}
	}
	for _, k := range kinds() {
		if has[k.name] {
			return k
		}
	}
	return kind{name: "failed", code: 1}
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

// explain returns err as it is reported, with its exit code and hint.
func (a *app) explain(err error) *failure {
	if exit, ok := errors.AsType[*exitError](err); ok {
		return &failure{Code: exit.Code}
	}
	k := kindOf(err)
	f := &failure{Code: k.code, Kind: k.name, Message: term.Brief(a.messageOf(err, k)), Hint: term.Brief(a.hint(err, k))}
	if k.name == "outdated" && !a.JSON { // as text, the result itself shows it
		f.Message = ""
	}
	if e, ok := errors.AsType[*internalError](err); ok {
		for line := range strings.Lines(e.stack) {
			a.Detail("  %s", strings.TrimRight(line, "\n"))
		}
	}
	if launch, ok := errors.AsType[*launchError](err); ok {
		f.Code, f.Kind = launch.Code, "run"
	}
	_, unfinished := errors.AsType[*install.UnfinishedError](err)
	if unfinished { // running the same command again might do it twice
		f.Hint = "the next command that changes anything finishes this first"
	}
	others, left := errors.AsType[*channelsError](err)
	f.unchanged = a.verb.changes && f.Code >= 3 && f.Code <= 9 && !unfinished && !a.keysChanged && !a.changed && !(left && others.Changed)
	return f
}

// messageOf returns the text of err, which is of kind k.
func (a *app) messageOf(err error, k kind) string {
	if k.name == "interrupted" {
		return "interrupted"
	}
	if e, ok := errors.AsType[*manifests.UnknownToolError](err); ok && k.name == "unknown" {
		if message, _ := a.unknownTool(e); message != "" {
			return message
		}
	}
	return term.ErrorText(err)
}
