package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/verify"
)

// A user is warned of a key that expires within 60 days, and a publisher of one that
// expires within two years. Real keys.
func TestLintSaysWhenAKeyExpires(t *testing.T) {
	const node, remedy = "nodejs/A363A499291CBBC940DD62E41F10027AF002F8B0.asc", "extend the expiry, export the key again, and give users the new copy\n"
	for _, test := range []struct{ path, at, want string }{
		{"channel add", "2028-05-01", "warning: key A363A499291CBBC940DD62E41F10027AF002F8B0 expires on 2028-06-01, within 60 days; its owner should " + remedy},
		{"channel add", "2028-03-01", ""},
		{"channel add", "2026-07-01", ""},
		{"publish sign", "2026-07-01", "warning: key A363A499291CBBC940DD62E41F10027AF002F8B0 expires on 2028-06-01, within two years; " + remedy},
		{"publish sign", "2026-05-01", ""},
	} {
		data, err := os.ReadFile(filepath.Join("../../verify/keyrings", filepath.FromSlash(node)))
		if err != nil {
			t.Fatal(err)
		}
		ring, err := verify.OpenKeyring(data)
		if err != nil {
			t.Fatal(err)
		}
		now, err := time.Parse(time.DateOnly, test.at)
		if err != nil {
			t.Fatal(err)
		}
		var stderr bytes.Buffer
		env := cli.Env{Stderr: &stderr, Now: func() time.Time { return now }}
		a := cli.New(env)
		a.Color = "never"
		if strings.HasPrefix(test.path, "publish ") {
			a.WarnOfKeys(verify.Lint(ring, now))
		} else if err := a.Desk(nil, &transport.Mirrored{}).CheckKeys(ring); err != nil {
			t.Error(err)
		}
		if stderr.String() != test.want {
			t.Errorf("%s on %s: %q, want %q", test.path, test.at, stderr.String(), test.want)
		}
	}
}
