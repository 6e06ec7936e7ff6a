package failure

import (
	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/install/bundles"
	"github.com/kist-tools/kist/install/image"
	"github.com/kist-tools/kist/manifests/bundle"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/verify"
)

// bundleHints returns the rows about bundles and images, which precede those of hints.
func bundleHints() []hintRow {
	return []hintRow{
		fixedHint[*namedfiles.BundleError]("untrusted", "copy the bundle again from where it was made; if that is the same, make it again with kist bundle create"),
		fixedHint[*namedfiles.TakenError]("refused", "name another file, or delete that one"),
		fixedHint[*image.TakenError]("refused", "name a new directory, or an empty one"),
		hintIf(image.ErrNoBase, "unknown", "--base takes an image for this machine's platform: the directory of an OCI image layout, or oci://REGISTRY/REPOSITORY:TAG"),
		hintIf(bundle.ErrNotBundle, "usage", "kist bundle create FILE TOOL… makes a bundle"),
		hintFor("unknown", func(e *bundles.LackError, _ Context) string {
			return "where there is a network: kist bundle create FILE " + e.Tool + " --platform " + e.Platform.String()
		}),
		hintFor("unknown", func(e *channels.UnknownChannelError, c Context) string {
			if c.Verb != "bundle show" {
				return ""
			}
			return "add it by its keys, from the bundle too: kist channel add " + e.Name + " URL --key FILE --from FILE"
		}),
		hintFor("stale", func(e *verify.ExpiredError, c Context) string {
			if !c.Bundle || e.Issued.After(e.Now) {
				return ""
			}
			return "make the bundle again where there is a network; kist install --locked --as-of-bundle accepts a manifest that kist.lock names"
		}),
	}
}
