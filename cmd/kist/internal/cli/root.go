package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/help"
	"github.com/kist-tools/kist/manifests"
)

// Root returns the command kist with verbs below it.
func (a *App) Root(verbs func(*App) []*cobra.Command) *cobra.Command {
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
				a.Result = a.Build
				return nil
			}
			if len(args) > 0 {
				e := UnknownVerb(cmd, args[0])
				e.Try = a.FailureContext().TryInstead(args[0], args[1:])
				return e
			}
			if a.JSON {
				return failure.Usage("no verb given")
			}
			return cmd.Help()
		},
	}
	root.AddGroup(
		&cobra.Group{ID: Toolchains, Title: "Toolchains"},
		&cobra.Group{ID: Trusting, Title: "Trust"},
		&cobra.Group{ID: Publishing, Title: "Publishing"},
		&cobra.Group{ID: Housekeeping, Title: "Housekeeping"},
	)
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetHelpCommandGroupID(Housekeeping)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		a.VerbName = strings.TrimPrefix(strings.TrimPrefix(cmd.CommandPath(), "kist"), " ")
		return failure.Usage("%v", err)
	})
	root.Flags().BoolP("version", "V", false, "print the version of kist")
	f := root.PersistentFlags()
	f.SortFlags = false
	f.BoolVar(&a.JSON, "json", false, "print one JSON object on stdout, errors included")
	f.BoolVarP(&a.Quiet, "quiet", "q", false, "print only results, warnings and errors")
	f.BoolVarP(&a.Verbose, "verbose", "v", false, "print details")
	f.BoolVarP(&a.Flags.Yes, "yes", "y", false, "assume yes")
	f.BoolVar(&a.Flags.Offline, "offline", false, "never use the network; what was proved before serves until it expires")
	f.StringVar(&a.Flags.Store, "store", "", "use the store in `DIR`: all of kist's directories lie below it")
	takeOnce(f) // --store is the only one with a text so far
	f.BoolVar(&a.NoProgress, "no-progress", false, "show no progress")
	f.StringVar(&a.Color, "color", "auto", "when to color messages: `WHEN` is auto, always or never")
	if err := root.RegisterFlagCompletionFunc("color", completion.Adapt(completion.Words("auto", "always", "never"))); err != nil {
		panic(err)
	}
	root.SetUsageFunc(help.Show)
	root.AddCommand(verbs(a)...)
	return root
}

// setHelp makes `kist help UNKNOWN` an error, and records in a.helped that help was
// shown.
func (a *App) setHelp(root *cobra.Command) {
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
					return UnknownVerb(found, args[len(args)-max(1, len(rest))])
				}
				return nil
			}
		}
	}
}

// UnknownVerb returns the error that cmd has no verb of that name.
func UnknownVerb(cmd *cobra.Command, name string) *failure.UnknownVerbError {
	return &failure.UnknownVerbError{Parent: cmd.CommandPath(), Verb: name, Near: manifests.Near(name, childNames(cmd))}
}

// childNames lists the names of cmd's visible children.
func childNames(cmd *cobra.Command) (names []string) {
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return names
}
