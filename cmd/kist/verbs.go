package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/publishing"
)

// An app is one run of kist. Its methods are the verbs.
type app struct{ *cli.App }

// run executes the command line env.Args and returns the exit code.
func run(ctx context.Context, env cli.Env) (code int) { return cli.Run(ctx, env, verbs) }

// verbs returns the verbs directly below kist, and the families of verbs.
func verbs(run *cli.App) []*cobra.Command {
	a := &app{run}
	return append([]*cobra.Command{
		a.installCommand(), a.uninstallCommand(), a.syncCommand(), a.listCommand(), a.searchCommand(), a.updateCommand(), a.outdatedCommand(),
		a.ensureCommand(), a.projectCommand(), a.pinCommand(), a.lockCommand(), a.treeDigestCommand(), a.shimsCommand(),
		a.defaultCommand(), a.rollbackCommand(), a.runCommand(), a.envCommand(), a.whichCommand(),
		a.verifyCommand(), a.auditCommand(), a.showCommand(), a.provenanceCommand(), a.sbomCommand(), a.inventoryCommand(), a.checkSignatureCommand(), a.channelCommand(),
		a.gcCommand(), a.cacheCommand(), a.doctorCommand(), a.repairCommand(), a.cacheKeyCommand(), a.dirsCommand(), a.completionCommand(), a.manCommand(), a.selfCommand(), a.versionCommand(),
	}, publishing.Commands(run)...)
}

// kistCommand returns the command kist with all its verbs, to be read and not to be run.
func kistCommand() *cobra.Command { return new(cli.App).Root(verbs) }
