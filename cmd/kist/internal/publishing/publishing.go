// Package publishing has the verbs of people who give tools to others: by a channel of
// their own, a mirror, a bundle, or an image.
package publishing

import (
	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
)

// verbs is one run of kist. Its methods are the verbs.
type verbs struct{ *cli.App }

// Commands returns the families of these verbs.
func Commands(run *cli.App) []*cobra.Command {
	a := &verbs{run}
	return []*cobra.Command{a.publishCommand(), a.mirrorCommand(), a.bundleCommand(), a.imageCommand()}
}
