package cli

import (
	"errors"
	"strings"

	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/install"
)

// A Document is the form of every JSON result.
type Document struct {
	Format int              `json:"format"` // version of this form: 1
	Verb   string           `json:"verb"`
	Result any              `json:"result,omitempty"`
	Error  *failure.Failure `json:"error,omitempty"`
}

// Finish prints the result and the error of the verb, and returns the exit code. A
// verb may have both: work that was done, and a problem that was found.
func (a *App) Finish(err error) int {
	a.warnOfConfig(err)
	var f *failure.Failure
	if err != nil {
		f = failure.Explain(err, a.FailureContext())
	}
	if e, ok := errors.AsType[*failure.InternalError](err); ok {
		for line := range strings.Lines(e.Stack) {
			a.Detail("  %s", strings.TrimRight(line, "\n"))
		}
	}
	if a.helped && f == nil {
		wrong := a.HelpError()
		if wrong == nil {
			return 0
		}
		f = &failure.Failure{Code: 1, Kind: "failed", Message: "writing the help: " + wrong.Error()}
	}
	if a.JSON || jsonAsked(a.Args) && !a.Verb.Plain {
		doc := Document{Format: 1, Verb: a.VerbName, Error: f}
		if a.Result != nil {
			doc.Result = a.Result
		}
		if wrong := a.PrintJSON(doc); wrong != nil && f == nil {
			f = &failure.Failure{Code: 1, Kind: "failed", Message: wrong.Error()}
		}
		return f.ExitCode()
	}
	if a.Result != nil {
		p := a.NewPage()
		a.Result.Render(p)
		if wrong := a.PrintPage(p); wrong != nil && f == nil {
			f = &failure.Failure{Code: 1, Kind: "failed", Message: "writing the result: " + wrong.Error()}
		}
	}
	if f != nil && f.Message != "" && f.Kind != "outdated" { // the result itself shows what is outdated
		a.Fail(f.Message, a.leftUnchanged(f, err), f.Hint)
	}
	return f.ExitCode()
}

// FailureContext returns what a failure of this run depends on apart from its error.
func (a *App) FailureContext() failure.Context {
	return failure.Context{Verb: a.VerbName, Local: a.Verb.Local, Config: a.Dirs.Config, Store: a.Flags.Store != "", Bundle: a.From != nil, Distro: a.Distro}
}

// leftUnchanged reports whether the verb, which failed with err, changed nothing, though it
// could have.
func (a *App) leftUnchanged(f *failure.Failure, err error) bool {
	_, unfinished := errors.AsType[*install.UnfinishedError](err)
	return a.Verb.Changes && f.Code >= 3 && f.Code <= 9 && !unfinished && !a.keysChanged && !a.Changed
}

// jsonAsked reports whether --json is on a command line that could not be parsed.
func jsonAsked(args []string) bool {
	for _, arg := range args {
		switch arg {
		case "--":
			return false
		case "--json", "--json=true":
			return true
		}
	}
	return false
}
