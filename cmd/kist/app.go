package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/help"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/transport"
)

// An app is one run of kist: its environment, its one clock reading, the flags
// that every verb has, and the result of the verb.
type app struct {
	Env
	term.Printer
	now   time.Time
	flags struct {
		dryRun, yes, offline bool
		jobs                 int
		wait                 time.Duration
		store                string
	}
	stores      []string // the stores below the user's own, as config.toml names them
	verb        verb     // the verb that runs
	path        string   // its name as typed: "channel add"
	result      result
	keysChanged bool // new keys of a channel were stored; they stay even if the verb fails
	changed     bool // something was changed before the error
	helped      bool // help was shown, which has no JSON form
	// linking is called before commands are linked; may be nil.
	linking func(now, next record.Generation)
}

// A result is the output of a verb: text for people, or the value itself as JSON.
type result interface{ Render(*term.Page) }

// run executes the command line env.Args and returns the exit code.
func run(ctx context.Context, env Env) (code int) {
	a := &app{Env: env, Printer: env.printer(), now: env.Now()}
	defer func() {
		if p := recover(); p != nil {
			code = a.finish(&failure.InternalError{What: fmt.Sprint(p), Stack: string(debug.Stack())})
		}
	}()
	root := a.root()
	a.setHelp(root)
	root.SetArgs(env.Args)
	root.SetIn(env.Stdin)
	a.PrintHelpOf(root)
	if asksCompletion(env.Args) && slices.ContainsFunc(env.Args, func(arg string) bool { return term.Escape(arg) != arg }) {
		// No completion begins with such a word, and cobra would print it unescaped.
		return a.finish(usage("completion: a word holds characters that cannot be shown"))
	}
	err := root.ExecuteContext(transport.WithWaitNotifier(ctx, func(ref string, wait time.Duration) {
		a.Warn("waiting %s, as the server of %s asks", transport.FormatWait(wait), ref)
	}))
	if err != nil && ctx.Err() != nil {
		err = &failure.InterruptedError{Err: err}
	}
	return a.finish(err)
}

// asksCompletion reports whether args are a shell's request for completions.
func asksCompletion(args []string) bool {
	return len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd)
}

// A verb is one command of kist, as the help shows it.
type verb struct {
	group, use, short, long string
	aliases                 []string
	example                 string         // complete command lines, ready to run
	exits                   []int          // exit codes it can return
	exitMeans               map[int]string // what a code means for this verb, if less than for all of them
	args                    cobra.PositionalArgs
	changes                 bool // it changes something: --dry-run exists
	mayOnlyRead             bool // it changes something only if reading is not enough: it works on a store of root's
	readsDamaged            bool // with mayOnlyRead: also on one that must not be changed for another reason
	fetches                 bool // it downloads what it installs: --jobs exists
	plain                   bool // it has no JSON form
	local                   bool // it never uses the network
	flags                   func(*pflag.FlagSet)
	complete                completion.Completer            // completes its arguments; nil: file names
	values                  map[string]completion.Completer // complete the values of its flags, by flag name
	run                     func(ctx context.Context, args []string) (result, error)
}

// The number of parallel downloads: the default and the maximum of --jobs.
const defaultJobs, maxJobs = 4, 64

// maxLockWait is the maximum of --wait.
const maxLockWait = 24 * time.Hour

// locks reports whether v may wait for another kist to release its lock.
func (v verb) locks() bool { return slices.Contains(v.exits, 7) }

// mayRead reports whether v goes on if err is why nothing may be changed.
func (v verb) mayRead(err error) bool {
	_, others := errors.AsType[*install.OwnerError](err)
	return v.mayOnlyRead && (others || v.readsDamaged)
}

// The groups of verbs in the help text.
const (
	toolchains   = "toolchains"
	trusting     = "trust"
	publishing   = "publishing"
	housekeeping = "housekeeping"
)

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "kist",
		Short: "Install toolchains from signed channels, and remove exactly what was installed",
		Long: `kist installs compilers and their tools from signed channels into directories of
your own, keeps a receipt of every path it writes, and removes exactly that.
It never runs anything that it installs, never asks for root, and never touches
a system directory.`,
		Example: `  kist install go                     the newest stable Go, proved before it is unpacked
  kist run go -- go version           use it without changing anything
  kist list                           what is installed
  kist show go                        who signed it, and how that was checked
  kist uninstall go                   remove exactly what was written`,
		SilenceErrors: true, SilenceUsage: true,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if version, _ := cmd.Flags().GetBool("version"); version {
				a.result = kistVersion()
				return nil
			}
			if len(args) > 0 {
				e := unknownVerb(cmd, args[0])
				e.Try = a.failureContext().TryInstead(args[0], args[1:])
				return e
			}
			if a.JSON {
				return usage("no verb given")
			}
			return cmd.Help()
		},
	}
	root.AddGroup(
		&cobra.Group{ID: toolchains, Title: "Toolchains"},
		&cobra.Group{ID: trusting, Title: "Trust"},
		&cobra.Group{ID: publishing, Title: "Publishing"},
		&cobra.Group{ID: housekeeping, Title: "Housekeeping"},
	)
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetHelpCommandGroupID(housekeeping)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		a.path = strings.TrimPrefix(strings.TrimPrefix(cmd.CommandPath(), "kist"), " ")
		return usage("%v", err)
	})
	root.Flags().BoolP("version", "V", false, "print the version of kist")
	f := root.PersistentFlags()
	f.SortFlags = false
	f.BoolVar(&a.JSON, "json", false, "print one JSON object on stdout, errors included")
	f.BoolVarP(&a.Quiet, "quiet", "q", false, "print only results, warnings and errors")
	f.BoolVarP(&a.Verbose, "verbose", "v", false, "print details")
	f.BoolVarP(&a.flags.yes, "yes", "y", false, "assume yes")
	f.BoolVar(&a.flags.offline, "offline", false, "never use the network; what was proved before serves until it expires")
	f.StringVar(&a.flags.store, "store", "", "use the store in `DIR`: all of kist's directories lie below it")
	takeOnce(f) // --store is the only one with a text so far
	f.BoolVar(&a.NoProgress, "no-progress", false, "show no progress")
	f.StringVar(&a.Color, "color", "auto", "when to color messages: `WHEN` is auto, always or never")
	if err := root.RegisterFlagCompletionFunc("color", completion.Adapt(completion.Words("auto", "always", "never"))); err != nil {
		panic(err)
	}
	root.SetUsageFunc(help.Show)
	root.AddCommand(a.verbs()...)
	return root
}

// setHelp makes `kist help UNKNOWN` an error, and records in a.helped that help was
// shown.
func (a *app) setHelp(root *cobra.Command) {
	show := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		a.helped = true
		show(cmd, args)
	})
	root.InitDefaultHelpCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "help" {
			cmd.Short, cmd.Long = "Show help for kist or for a verb", "Shows how kist, or one of its verbs, is used."
			cmd.PreRunE = func(_ *cobra.Command, args []string) error {
				found, rest, err := root.Find(args)
				if err != nil || len(rest) > 0 {
					return unknownVerb(found, args[len(args)-max(1, len(rest))])
				}
				return nil
			}
		}
	}
}

// verbs returns the verbs directly below kist, and the families of verbs.
func (a *app) verbs() []*cobra.Command {
	return []*cobra.Command{
		a.installCommand(), a.uninstallCommand(), a.listCommand(), a.searchCommand(), a.updateCommand(), a.outdatedCommand(),
		a.ensureCommand(), a.projectCommand(), a.pinCommand(), a.lockCommand(), a.treeDigestCommand(), a.shimsCommand(), a.defaultCommand(), a.rollbackCommand(), a.runCommand(), a.envCommand(), a.whichCommand(),
		a.verifyCommand(), a.showCommand(), a.checkSignatureCommand(), a.channelCommand(), a.publishCommand(), a.mirrorCommand(),
		a.repairCommand(), a.cacheKeyCommand(), a.dirsCommand(), a.completionCommand(), a.manCommand(), a.selfCommand(), a.versionCommand(),
	}
}

// takeOnce makes each flag with one text refuse a second value, which would silently
// replace the first: --secret-key given twice does not make two signers.
func takeOnce(f *pflag.FlagSet) {
	f.VisitAll(func(flag *pflag.Flag) {
		if flag.Value.Type() == "string" {
			flag.Value = &onceValue{Value: flag.Value}
		}
	})
}

type onceValue struct {
	pflag.Value
	given bool
}

func (v *onceValue) Set(text string) error {
	if v.given {
		return errors.New("it was given before, and takes one value")
	}
	v.given = true
	return v.Value.Set(text)
}

// command builds the cobra command of v.
func (a *app) command(v verb) *cobra.Command {
	cmd := &cobra.Command{
		GroupID: v.group, Use: v.use, Aliases: v.aliases, Short: v.short,
		Long: help.Paragraphs(v.long), Example: "  " + strings.ReplaceAll(v.example, "\n", "\n  "),
		DisableFlagsInUseLine: true,
		Annotations:           help.AnnotateExits(v.exits, v.exitMeans),
	}
	if v.long == "" {
		cmd.Long = v.short + "."
	}
	if v.changes {
		cmd.Flags().BoolVarP(&a.flags.dryRun, "dry-run", "n", false, "print what would be done, and do nothing")
	}
	if v.flags != nil {
		v.flags(cmd.Flags())
	}
	if v.fetches {
		cmd.Flags().IntVarP(&a.flags.jobs, "jobs", "j", defaultJobs, "make at most `N` downloads at once, 1 to 64")
	}
	if v.locks() {
		cmd.Flags().DurationVar(&a.flags.wait, "wait", 0, "wait at most `DURATION`, such as 30s, 1h or 0, for another kist (default 1m on a terminal, else 10m)")
	}
	cmd.Flags().SortFlags = false
	takeOnce(cmd.Flags())
	if v.complete != nil {
		cmd.ValidArgsFunction = completion.Adapt(v.complete)
	}
	for flag, values := range v.values {
		if err := cmd.RegisterFlagCompletionFunc(flag, completion.Adapt(values)); err != nil {
			panic(err) // v has no such flag
		}
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		a.verb, a.path = v, strings.TrimPrefix(cmd.CommandPath(), "kist ")
		if cmd.Flags().Changed("wait") {
			a.LockWait = a.flags.wait
		}
		if err := a.checkFlags(); err != nil {
			return err
		}
		if cmd.Flags().Changed("store") {
			if err := a.useStore(); err != nil {
				return err
			}
		}
		return v.args(cmd, args)
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		for _, w := range a.Dirs.Warnings {
			a.Warn("%s", w)
		}
		a.result, err = v.run(cmd.Context(), args)
		return err
	}
	return cmd
}

// family builds a command that only groups members.
func (a *app) family(group, use, short, long string, members ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		GroupID: group, Use: use, Short: short, Long: help.Paragraphs(long),
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.path = use
			if len(args) > 0 {
				return unknownVerb(cmd, args[0])
			}
			return usage("%s: which of %s?", use, strings.Join(verbs(cmd), ", "))
		},
	}
	cmd.AddCommand(members...)
	return cmd
}

func (a *app) checkFlags() error {
	if a.JSON && a.verb.plain {
		return usage("%s has no JSON form", a.path)
	}
	if a.verb.fetches && (a.flags.jobs < 1 || a.flags.jobs > maxJobs) {
		return usage("--jobs %d: want 1 to %d", a.flags.jobs, maxJobs)
	}
	if a.flags.wait < 0 || a.flags.wait > maxLockWait {
		return usage("--wait %v: want 0s to %v", a.flags.wait, maxLockWait)
	}
	switch a.Color {
	case "auto", "always", "never":
		return nil
	}
	return usage("--color %s: want auto, always or never", a.Color)
}

func unknownVerb(cmd *cobra.Command, name string) *failure.UnknownVerbError {
	return &failure.UnknownVerbError{Parent: cmd.CommandPath(), Verb: name, Near: manifests.Near(name, verbs(cmd))}
}

// verbs lists the names of cmd's visible children.
func verbs(cmd *cobra.Command) (names []string) {
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return names
}

// between accepts low to high arguments.
func between(low, high int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		verb := strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
		switch {
		case len(args) < low:
			return usage("%s: too few arguments; usage: %s", verb, cmd.UseLine())
		case len(args) > high:
			return usage("%s: unexpected argument %q; usage: %s", verb, args[high], cmd.UseLine())
		}
		return nil
	}
}

// exactly accepts n arguments.
func exactly(n int) cobra.PositionalArgs { return between(n, n) }

// usage returns an error about a wrong command line.
func usage(format string, args ...any) error { return failure.Usage(format, args...) }
