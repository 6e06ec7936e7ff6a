package change_test

import (
	"testing"

	"github.com/kist-tools/kist/cmd/kist/internal/change"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// TestChannelsErrorHasTheGravestKind checks that channels that were left out fail with the
// exit code of the gravest error.
func TestChannelsErrorHasTheGravestKind(t *testing.T) {
	for _, test := range []struct {
		err  error
		kind string
	}{
		{&change.ChannelsError{Channel: "x", Gravest: &verify.SignatureError{Name: "x"}}, "untrusted"},
		{&change.ChannelsError{Gravest: manifests.ErrUnreachable}, "unreachable"},
	} {
		if k := failure.KindOf(test.err); k.Name != test.kind {
			t.Errorf("%v: kind %s, want %s", test.err, k.Name, test.kind)
		}
	}
}
