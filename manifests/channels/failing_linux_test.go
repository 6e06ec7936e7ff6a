package channels_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/verify/verifytest"
)

// TestFailingWriteKeepsThePassword changes the URL of a channel on a disk that fails when
// the settings are written. The old URL keeps its own password. The honest twin is the same
// change afterwards. It runs in a process of its own, since the limit that makes the disk
// fail is that of a process.
func TestFailingWriteKeepsThePassword(t *testing.T) {
	const variable = "CHANNELS_TEST_FAILING_WRITE"
	if os.Getenv(variable) == "" {
		child := exec.Command(os.Args[0], "-test.run=^TestFailingWriteKeepsThePassword$", "-test.v")
		child.Env = append(os.Environ(), variable+"=1")
		out, err := child.CombinedOutput()
		if got := strings.Count(string(out), "--- PASS: TestFailingWriteKeepsThePassword/"); err != nil || got != 5 {
			t.Errorf("%d of 5 changes passed: %v\n%s", got, err, out)
		}
		return
	}
	const (
		bare  = "https://tools.acme.example/channel.toml"
		old   = "https://joe:old@tools.acme.example/channel.toml"
		same  = "https://joe:new@tools.acme.example/channel.toml"
		other = "https://joe:new@mirror.acme.example/channel.toml"
		plain = "https://mirror.acme.example/channel.toml"
	)
	for _, test := range []struct{ name, from, to string }{
		{"a new password", old, same},
		{"another URL and password", old, other},
		{"another URL without a password", old, plain},
		{"the first password", bare, same},
		{"no password any more", old, bare},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, key := newStore(t), verifytest.NewKey(t, "a", day)
			ring := verifytest.Keyring(t, key)
			acme := channel("acme", key)
			acme.URL = test.from
			put(t, s, acme, key)
			acme.URL = test.to

			bare := acme
			bare.URL, _ = channels.SplitURL(test.to)
			data, err := bare.Encode()
			if err != nil {
				t.Fatal(err)
			}
			// The credential is shorter than the limit, the settings are longer.
			err = withFileLimit(t, 150, func() error { return s.PutSettings(acme, data) })
			if !errors.Is(err, syscall.EFBIG) {
				t.Fatalf("the settings were written: %v", err)
			}
			if c, err := s.Get("acme"); err != nil || c.URL != test.from {
				t.Errorf("after the failure: %q, %v", c.URL, err)
			}
			own, err := s.Owns(nil)
			if err != nil {
				t.Fatal(err)
			}
			_, secret := channels.SplitURL(test.from)
			if is, err := own("channels/acme.credential"); err != nil || is != secret {
				t.Errorf("the credential is kist's: %v, %v", is, err)
			}
			if err := s.Put(acme, ring); err != nil {
				t.Fatal(err)
			}
			if c, err := s.Get("acme"); err != nil || c.URL != test.to {
				t.Errorf("after the change: %q, %v", c.URL, err)
			}
			data, err = s.Root.ReadFile("channels/acme.credential")
			if strings.Contains(string(data), "old") || test.to == same && string(data) != same+"\n" {
				t.Errorf("the credential is %q, %v", data, err)
			}
		})
	}
}

// withFileLimit calls f while no file can grow beyond limit bytes.
func withFileLimit(t *testing.T, limit uint64, f func() error) error {
	t.Helper()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	err := f()
	if failed := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); failed != nil {
		t.Fatal(failed)
	}
	return err
}
