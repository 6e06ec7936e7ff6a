package toolset_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/limits"
)

// An installed release that a policy file denies is warned of, with what to do; a policy that
// cannot be read warns of nothing and stops nothing.
func TestWarnOfRefused(t *testing.T) {
	have := head("acme", "zig", "0.14.0", "zig")
	for _, test := range []struct{ policy, want string }{
		{`deny = ["zig@<0.15"]`, `acme/zig@0.14.0 is denied by "zig@<0.15" (policy.toml); kist update acme/zig@0.14.0, or kist uninstall acme/zig@0.14.0`},
		{`deny = ["zig@<0.14"]`, ""},
		{`minimum_age = "366d"`, ""},
		{`deny = "zig"`, ""},
	} {
		s := newSet(t, have)
		s.Desk.MachineRules = func() ([]channels.Rules, error) {
			r, err := channels.ParseRules("policy.toml", []byte("format = 1\n"+test.policy))
			return []channels.Rules{r}, err
		}
		var said []string
		s.Warn = func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
		s.WarnOfRefused(have)
		if got := strings.Join(said, "\n"); got != test.want {
			t.Errorf("%s: %q", test.policy, got)
		}
		if _, denied := errors.AsType[*limits.DeniedError](s.Refused(have)); denied != (test.want != "") {
			t.Errorf("%s: %v", test.policy, s.Refused(have))
		}
	}
}
