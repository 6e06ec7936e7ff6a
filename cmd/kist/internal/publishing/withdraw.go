package publishing

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/publishtext"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/verify"
)

func (a *verbs) publishWithdrawCommand() *cobra.Command {
	var w verify.Withdrawal
	var undo bool
	return a.Command(cli.Verb{
		Use: "withdraw DIR TOOL@VERSIONS --reason TEXT [--replaced-by V] | --undo", Short: "State that versions must not be used",
		Long: `Adds to the draft that VERSIONS of TOOL are withdrawn, with TEXT as the reason.
Once that is signed, users cannot install them; kist update moves those who have one
to V, even if V is older; and kist list, run, outdated and audit warn them. VERSIONS
is a version, as on the command line, or a range: <1.4.2, ">=1.4 <1.4.2". --undo
removes such a statement. The releases themselves stay listed; kist publish remove
removes them.`,
		Example: `kist publish withdraw public/ zig@0.14.0 --reason "miscompiles loops" --replaced-by 0.13.0
kist publish withdraw public/ 'trivy@>=0.69.4 <0.69.6' --reason "the build server was taken over"
kist publish withdraw public/ zig@0.14.0 --undo`,
		Exits:     []int{0, 1, 2, 3, 4, 8},
		ExitMeans: map[int]string{3: "no such directory, tool, replacement or withdrawal"},
		Args:      cli.Exactly(2),
		Changes:   true,
		Flags: func(f *pflag.FlagSet) {
			f.StringVar(&w.Reason, "reason", "", "the reason, `TEXT`, in one line")
			f.StringVar(&w.ReplacedBy, "replaced-by", "", "the version to use instead: `V`")
			f.BoolVar(&undo, "undo", false, "remove the withdrawal of exactly these versions")
		},
		Run: func(_ context.Context, args []string) (cli.Result, error) {
			var ok bool
			w.Tool, w.Versions, ok = strings.Cut(args[1], "@")
			switch {
			case !ok || w.Versions == "":
				return nil, failure.Usage("publish withdraw: %s: want TOOL@VERSIONS", args[1])
			case undo && w.Reason+w.ReplacedBy != "":
				return nil, failure.Usage("publish withdraw: --undo takes neither --reason nor --replaced-by")
			case !undo && w.Reason == "":
				return nil, failure.Usage("publish withdraw: tell users why, with --reason TEXT")
			}
			w.Since = a.Started.UTC().Truncate(time.Second)
			return a.withPublished(args[0], func(d publish.Dir) (cli.Result, error) {
				if undo {
					return publishtext.Reinstated{DryRun: a.Flags.DryRun, Tool: w.Tool, Versions: w.Versions}, d.Reinstate(w.Tool, w.Versions)
				}
				done, err := d.Withdraw(w)
				if err != nil {
					return nil, err
				}
				if len(done.Releases) == 0 {
					a.Warn("no release of %s in the draft is one of %s; those who installed one are warned all the same", w.Tool, w.Versions)
				}
				return publishtext.Withdrawn{DryRun: a.Flags.DryRun, Withdrawn: done}, nil
			})
		},
	})
}
