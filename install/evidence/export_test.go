package evidence

import (
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/verify"
)

// WithoutArchive verifies the evidence of an archive of a built-in channel as ProveDocuments
// does.
func WithoutArchive(desk *trust.Desk, channel string, e verify.Evidence) error {
	return (&proof{desk: desk, head: record.Head{Channel: channel}}).withoutArchive(e)
}
