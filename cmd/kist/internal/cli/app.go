// Package cli is the frame of kist's command line: it parses flags, opens kist's
// directories for a verb, prints its result or its error, and returns the exit code.
// The verbs themselves are in package main.
package cli

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/bundles"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests/config"
	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/verify"
)

// An App is one run of kist: its environment, its one reading of the clock, the flags
// that verbs share, and the result of the verb.
type App struct {
	Env
	term.Printer
	Started time.Time // the one reading of the clock that every decision is made by
	Flags   struct {
		DryRun, Yes, Offline bool
		Jobs                 int
		Wait                 time.Duration
		Store                string
		From                 string // --from
		MinimumAge           time.Duration
	}
	// From is the bundle that --from names: everything comes from it, and nothing from
	// the network. Nil: from the origins.
	From *bundles.Bundle
	// Locked is Options.Locked of package install; may be nil.
	Locked      func(channel string, manifest verify.Digest) bool
	stores      []string // the stores below the user's own, as config.toml names them
	badConfig   error    // why config.toml cannot be used
	config      config.Config
	configErr   error  // of reading the files that config was read from
	Verb        Verb   // the verb that runs
	VerbName    string // its name as typed: "channel add"
	Result      Result
	keysChanged bool // new keys of a channel were stored; they stay even if the verb fails
	Changed     bool // something was changed before the error
	helped      bool // help was shown, which has no JSON form
	// linking is called before commands are linked; may be nil.
	linking func(now, next record.Generation)
}

// New returns the App of one run in env.
func New(env Env) *App {
	return &App{Env: env, Printer: env.NewPrinter(), Started: env.Now()}
}

// A Result is the output of a verb: text for people, or the value itself as JSON.
type Result interface{ Render(*term.Page) }

// Run executes the command line env.Args, whose first word is one of verbs, and returns the
// exit code.
func Run(ctx context.Context, env Env, verbs func(*App) []*cobra.Command) (code int) {
	a := New(env)
	defer func() {
		if p := recover(); p != nil {
			code = a.Finish(&failure.InternalError{What: fmt.Sprint(p), Stack: string(debug.Stack())})
		}
	}()
	root := a.Root(verbs)
	a.setHelp(root)
	root.SetArgs(env.Args)
	root.SetIn(env.Stdin)
	a.PrintHelpOf(root)
	if asksCompletion(env.Args) && slices.ContainsFunc(env.Args, func(arg string) bool { return term.Escape(arg) != arg }) {
		// No completion begins with such a word, and cobra would print it unescaped.
		return a.Finish(failure.Usage("completion: a word holds characters that cannot be shown"))
	}
	err := root.ExecuteContext(transport.WithWaitNotifier(ctx, func(ref string, wait time.Duration) {
		a.Warn("waiting %s, as the server of %s asks", transport.FormatWait(wait), ref)
	}))
	if err != nil && ctx.Err() != nil {
		err = &failure.InterruptedError{Err: err}
	}
	return a.Finish(err)
}

// asksCompletion reports whether args are a shell's request for completions.
func asksCompletion(args []string) bool {
	return len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd)
}
