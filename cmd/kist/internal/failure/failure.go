// Package failure says what an error means for a user of kist: its kind, its exit code,
// its message, and the hint about what to do. It knows the error types of all packages;
// nothing else in kist gives advice. It changes nothing and prints nothing.
package failure

import (
	"errors"
	"strings"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/manifests"
)

// A Context is what a failure depends on apart from its error. The zero Context is valid.
type Context struct {
	Verb   string        // that failed, as typed: "channel add"
	Local  bool          // the verb never uses the network
	Config string        // the base directory of settings
	Store  bool          // --store names the directories
	Bundle bool          // everything comes from a bundle
	Distro func() string // returns the distribution of a Linux host; nil: none
}

// publishes reports whether the verb is a publish verb.
func (c Context) publishes() bool { return strings.HasPrefix(c.Verb, "publish ") }

// changesKist reports whether the verb changes or checks kist's own program.
func (c Context) changesKist() bool { return strings.HasPrefix(c.Verb, "self ") || c.Verb == "version" }

// helpCommand returns the command line that shows the help of the verb.
func (c Context) helpCommand() string {
	return strings.Join(strings.Fields("kist "+c.Verb+" --help"), " ")
}

// A Failure is an error as kist reports it.
type Failure struct {
	Code    int    `json:"code"` // exit code
	Kind    string `json:"kind"` // the class of the error, for programs
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// ExitCode returns the exit code of f, 0 if f is nil.
func (f *Failure) ExitCode() int {
	if f == nil {
		return 0
	}
	return f.Code
}

// RepairRelocated is what to do about an [install.RelocatedError].
const RepairRelocated = "kist repair --relocated adapts them"

// Explain returns err as it is reported, with its exit code and hint.
func Explain(err error, c Context) *Failure {
	if exit, ok := errors.AsType[*ExitError](err); ok {
		return &Failure{Code: exit.Code}
	}
	k := KindOf(err)
	f := &Failure{Code: k.Code, Kind: k.Name, Message: term.Brief(c.message(err, k)), Hint: term.Brief(c.hint(err, k))}
	if launch, ok := errors.AsType[*LaunchError](err); ok {
		f.Code, f.Kind = launch.Code, "run"
	}
	if _, unfinished := errors.AsType[*install.UnfinishedError](err); unfinished { // running the same command again might do it twice
		f.Hint = "the next command that changes anything finishes this first"
	}
	return f
}

// message returns the text of err, which is of kind k.
func (c Context) message(err error, k Kind) string {
	if k.Name == "interrupted" {
		return "interrupted"
	}
	if e, ok := errors.AsType[*manifests.UnknownToolError](err); ok && k.Name == "unknown" {
		if message, _ := c.unknownTool(e); message != "" {
			return message
		}
	}
	return term.ErrorText(err)
}
