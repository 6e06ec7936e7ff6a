package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestMachineRules checks that both the machine's policy file and the user's apply, and
// that neither can allow what the other forbids.
func TestMachineRules(t *testing.T) {
	b := newBattle(t)
	b.machine = t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.RemoveAll(name); err != nil {
			t.Fatal(err)
		}
		if text != "" {
			if err := os.WriteFile(name, []byte("format = 1\n"+text+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, test := range []struct {
		machine, user string
		code          int
	}{
		{"", "", 0},
		{`channels = ["acme"]`, "", 0},
		{`channels = ["acme"]`, `channels = ["acme", "go"]`, 0},
		{`channels = ["go"]`, "", 4},
		{`channels = ["go"]`, `channels = ["acme"]`, 4},
		{`channels = ["acme"]`, `channels = ["go"]`, 4},
		{`threshold = 2`, `threshold = 1`, 4},
		{`threshold = 1`, `threshold = 1`, 0},
		{`nonsense = 1`, `channels = ["acme"]`, 4},
		{`channels = ["acme"]`, `nonsense = 1`, 4},
	} {
		write(filepath.Join(b.machine, "policy.toml"), test.machine)
		write(b.file(".config/kist/policy.toml"), test.user)
		if code, said := b.kist("channel", "refresh", "acme"); code != test.code {
			t.Errorf("machine %q, user %q: exit code %d, want %d: %s", test.machine, test.user, code, test.code, said)
		}
		b.must("list")
		b.must("verify")
	}
}
