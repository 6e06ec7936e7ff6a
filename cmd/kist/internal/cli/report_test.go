package cli_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/verify"
)

// TestUnchanged checks that a refusal says that nothing was changed, and that no other
// message does.
func TestUnchanged(t *testing.T) {
	kept := &failure.KeptError{Kept: make([]install.Drift, 2)}
	for _, test := range []struct {
		err     error
		changes bool // the verb could change something
		changed bool // it did
		code    int
		says    bool
	}{
		{verify.ErrUntrusted, true, false, 4, true},
		{verify.ErrUntrusted, false, false, 4, false},
		{verify.ErrUntrusted, true, true, 4, false},
		{&install.UnfinishedError{Err: verify.ErrUntrusted}, true, false, 4, false},
		{failure.Usage("x"), true, false, 2, false},
		{kept, true, false, 10, false},
		{&install.UnfinishedError{Err: kept}, true, false, 10, false},
		{errors.New("x"), true, false, 1, false},
	} {
		var stderr bytes.Buffer
		a := cli.New(cli.Env{Stderr: &stderr, Now: func() time.Time { return time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC) }})
		a.Verb.Changes, a.Changed = test.changes, test.changed
		if code := a.Finish(test.err); code != test.code {
			t.Errorf("%v: exit code %d, want %d", test.err, code, test.code)
		}
		if says := strings.Contains(stderr.String(), "Nothing was changed"); says != test.says {
			t.Errorf("%v, changes %v, changed %v: %q", test.err, test.changes, test.changed, stderr.String())
		}
	}
}
