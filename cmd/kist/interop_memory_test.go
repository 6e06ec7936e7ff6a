//go:build interop && linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestMemoryOfManyTools installs and checks many tools of one channel. Its manifest is
// parsed once, so the memory hardly depends on how many tools are asked for.
func TestMemoryOfManyTools(t *testing.T) {
	const most = 80 << 10 // KiB
	program := build(t)
	c := newFleetChannel(t, 250, time.Now())
	t.Logf("manifest of %d bytes", len(c.files["/channel.toml"]))
	for _, n := range []int{1, 50, 150, 250} {
		h := newHome(t, program)
		key := filepath.Join(h.dir, "key.asc")
		write(t, key, string(c.key.Public(t)), 0o600)
		h.must("channel", "add", "fleet", c.url, "--key", key)
		for _, args := range [][]string{append([]string{"install"}, c.tools[:n]...), {"outdated"}, {"update"}} {
			// The kernel counts what a process had before exec, too, and this one is large by now:
			// the program time is small.
			figures := filepath.Join(h.dir, "figures")
			cmd := h.command(args...)
			cmd.Args = append([]string{"time", "-q", "-f", "%M", "-o", figures, cmd.Path}, cmd.Args[1:]...)
			cmd.Path = "/usr/bin/time"
			start := time.Now()
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%.60q: %v\n%s", args, err, out)
			}
			var peak int // KiB
			text, err := os.ReadFile(figures)
			if _, scanned := fmt.Sscan(string(text), &peak); err != nil || scanned != nil {
				t.Fatalf("%q: %v, %v", text, err, scanned)
			}
			cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
			t.Logf("%3d tools: %-8s %3d MiB, %s CPU, %s", n, args[0], peak>>10, cpu.Round(10*time.Millisecond), time.Since(start).Round(10*time.Millisecond))
			if peak > most {
				t.Errorf("%d tools: %s took %d MiB", n, args[0], peak>>10)
			}
		}
	}
}
