package cli

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/help"
	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/install"
)

// A Verb is one command of kist, as the help shows it.
type Verb struct {
	Group, Use, Short, Long string
	Aliases                 []string
	Example                 string         // complete command lines, ready to run
	Exits                   []int          // exit codes it can return
	ExitMeans               map[int]string // what a code means for this verb, if less than for all of them
	Args                    cobra.PositionalArgs
	Changes                 bool // it changes something: --dry-run exists
	MayOnlyRead             bool // it changes something only if reading is not enough: it works on a store of root's
	ReadsDamaged            bool // with MayOnlyRead: also on one that must not be changed for another reason
	Fetches                 bool // it downloads what it installs: --jobs exists
	FromBundle              bool // it can take everything from a bundle: --from exists
	Elsewhere               bool // what it asks channels for is for another place than this store
	Plain                   bool // it has no JSON form
	Local                   bool // it never uses the network
	Flags                   func(*pflag.FlagSet)
	Complete                completion.Completer            // completes its arguments; nil: file names
	Values                  map[string]completion.Completer // complete the values of its flags, by flag name
	Run                     func(ctx context.Context, args []string) (Result, error)
}

// locks reports whether v may wait for another kist to release its lock.
func (v Verb) locks() bool { return slices.Contains(v.Exits, 7) }

// mayRead reports whether v goes on if err is why nothing may be changed.
func (v Verb) mayRead(err error) bool {
	_, others := errors.AsType[*install.OwnerError](err)
	return v.MayOnlyRead && (others || v.ReadsDamaged)
}

// The number of parallel downloads: the default and the maximum of --jobs.
const defaultJobs, maxJobs = 4, 64

// maxLockWait is the maximum of --wait.
const maxLockWait = 24 * time.Hour

// The groups of verbs in the help text.
const (
	Toolchains   = "toolchains"
	Trusting     = "trust"
	Publishing   = "publishing"
	Housekeeping = "housekeeping"
)

// Command builds the cobra command of v.
func (a *App) Command(v Verb) *cobra.Command {
	cmd := &cobra.Command{
		GroupID: v.Group, Use: v.Use, Aliases: v.Aliases, Short: v.Short,
		Long: help.Paragraphs(v.Long), Example: "  " + strings.ReplaceAll(v.Example, "\n", "\n  "),
		DisableFlagsInUseLine: true,
		Annotations:           help.AnnotateExits(v.Exits, v.ExitMeans),
	}
	if v.Long == "" {
		cmd.Long = v.Short + "."
	}
	if v.Changes {
		cmd.Flags().BoolVarP(&a.Flags.DryRun, "dry-run", "n", false, "print what would be done, and do nothing")
	}
	if v.Flags != nil {
		v.Flags(cmd.Flags())
	}
	if v.Fetches {
		cmd.Flags().IntVarP(&a.Flags.Jobs, "jobs", "j", defaultJobs, "make at most `N` downloads at once, 1 to 64")
	}
	if v.FromBundle {
		cmd.Flags().StringVar(&a.Flags.From, "from", "", "take everything from the bundle `FILE`, or from its directory, and use no network")
	}
	if v.locks() {
		cmd.Flags().DurationVar(&a.Flags.Wait, "wait", 0, "wait at most `DURATION`, such as 30s, 1h or 0, for another kist (default 1m on a terminal, else 10m)")
	}
	cmd.Flags().SortFlags = false
	takeOnce(cmd.Flags())
	if v.Complete != nil {
		cmd.ValidArgsFunction = completion.Adapt(v.Complete)
	}
	for flag, values := range v.Values {
		if err := cmd.RegisterFlagCompletionFunc(flag, completion.Adapt(values)); err != nil {
			panic(err) // v has no such flag
		}
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		a.Verb, a.VerbName = v, strings.TrimPrefix(cmd.CommandPath(), "kist ")
		if cmd.Flags().Changed("wait") {
			a.LockWait = a.Flags.Wait
		}
		if err := a.checkFlags(); err != nil {
			return err
		}
		if cmd.Flags().Changed("store") {
			if err := a.useStore(); err != nil {
				return err
			}
		}
		return v.Args(cmd, args)
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		for _, w := range a.Dirs.Warnings {
			a.Warn("%s", w)
		}
		if cmd.Flags().Changed("from") && v.FromBundle {
			if a.From, err = namedfiles.OpenBundle(cmd.Context(), a.Flags.From); err != nil {
				return err
			}
			defer a.From.Close()
		}
		a.Result, err = v.Run(cmd.Context(), args)
		return err
	}
	return cmd
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
		return errors.New("it may be given only once")
	}
	v.given = true
	return v.Value.Set(text)
}

// Family builds a command that only groups members.
func (a *App) Family(group, use, short, long string, members ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		GroupID: group, Use: use, Short: short, Long: help.Paragraphs(long),
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.VerbName = use
			if len(args) > 0 {
				return UnknownVerb(cmd, args[0])
			}
			return failure.Usage("%s: which of %s?", use, strings.Join(childNames(cmd), ", "))
		},
	}
	cmd.AddCommand(members...)
	return cmd
}

func (a *App) checkFlags() error {
	if a.JSON && a.Verb.Plain {
		return failure.Usage("%s has no JSON form", a.VerbName)
	}
	if a.Verb.Fetches && (a.Flags.Jobs < 1 || a.Flags.Jobs > maxJobs) {
		return failure.Usage("--jobs %d: want 1 to %d", a.Flags.Jobs, maxJobs)
	}
	if a.Flags.Wait < 0 || a.Flags.Wait > maxLockWait {
		return failure.Usage("--wait %v: want 0s to %v", a.Flags.Wait, maxLockWait)
	}
	switch a.Color {
	case "auto", "always", "never":
		return nil
	}
	return failure.Usage("--color %s: want auto, always or never", a.Color)
}

// Between accepts low to high arguments.
func Between(low, high int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		verb := strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
		switch {
		case len(args) < low:
			return failure.Usage("%s: too few arguments; usage: %s", verb, cmd.UseLine())
		case len(args) > high:
			return failure.Usage("%s: unexpected argument %q; usage: %s", verb, args[high], cmd.UseLine())
		}
		return nil
	}
}

// Exactly accepts n arguments.
func Exactly(n int) cobra.PositionalArgs { return Between(n, n) }
