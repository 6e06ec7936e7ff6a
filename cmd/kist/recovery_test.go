package main

import (
	"os"
	"testing"

	"github.com/kist-tools/kist/manifests/native"
)

// settings is the text of the channel's settings.
func (b *battle) settings(write []byte) []byte {
	b.Helper()
	name := b.file(".config/kist/channels/acme.toml")
	if write != nil {
		if err := os.WriteFile(name, write, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	data, err := os.ReadFile(name)
	if err != nil {
		b.Fatal(err)
	}
	return data
}

// TestRecoveryHappensOnce checks that the mark goes down when a keys document that
// demands it is accepted for the first time, and never again: neither by repeating the
// rotation with settings from a backup, nor after a crash between storing the mark, which
// comes first, and the settings.
func TestRecoveryHappensOnce(t *testing.T) {
	b := newBattle(t)
	refresh := func(want int) {
		t.Helper()
		if code, said := b.kist("channel", "refresh", "acme"); code != want {
			t.Fatalf("exit code %d, want %d: %s", code, want, said)
		}
	}
	b.keys(1, team(b.first), team(b.first))
	huge := b.next("1.0")
	huge.Serial = 1 << 40
	b.serve(huge, b.first)
	refresh(0)
	old := b.settings(nil)

	const restart = 100
	b.keys(2, team(b.first), team(b.first), func(k *native.Keys) { k.Serial = restart })
	serial := func(n uint64) *native.Manifest {
		m := b.next("1.0")
		m.Serial = n
		return m
	}
	b.serve(serial(restart-1), b.first)
	refresh(5)
	b.serve(serial(restart), b.first)
	refresh(0)
	b.serve(serial(restart+9), b.first)
	refresh(0)

	b.settings(old)
	b.serve(serial(restart+1), b.first)
	refresh(5)
	b.keys(3, team(b.first), team(b.first))
	b.settings(old)
	refresh(5)
	b.serve(serial(restart+10), b.first)
	b.settings(old)
	refresh(0)

	// A new user, or one without the mark, starts at the newest document, and accepts the
	// manifest that was served last.
	if err := os.Remove(b.file(".local/state/kist/marks/acme.json")); err != nil {
		t.Fatal(err)
	}
	b.keys(4, team(b.first), team(b.second, b.first))
	if code, said := b.kist("list", "--available", "hello"); code != 5 {
		t.Fatalf("with the mark lost: exit code %d: %s", code, said)
	}
	refresh(0)
	b.must("list", "--available", "hello")
}
