//go:build interop && linux

package main

import (
	"path/filepath"
	"testing"
	"time"
)

// TestMemoryOfManyTools installs and checks many tools of one channel. Its manifest is
// parsed once, so the memory hardly depends on how many tools are asked for.
func TestMemoryOfManyTools(t *testing.T) {
	const most = 80 << 20 // bytes
	program := build(t)
	c := newFleetChannel(t, 250, time.Now())
	t.Logf("manifest of %d bytes", len(c.files["/channel.toml"]))
	for _, n := range []int{1, 50, 150, 250} {
		h := newHome(t, program)
		key := filepath.Join(h.dir, "key.asc")
		write(t, key, string(c.key.Public(t)), 0o600)
		h.must("channel", "add", "fleet", c.url, "--key", key)
		for _, args := range [][]string{append([]string{"install"}, c.tools[:n]...), {"outdated"}, {"update"}} {
			cmd := h.command(args...)
			peak := peakOf(t, cmd)
			start := time.Now()
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%.60q: %v\n%s", args, err, out)
			}
			cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
			t.Logf("%3d tools: %-8s %3d MiB, %s CPU, %s", n, args[0], peak()>>20, cpu.Round(10*time.Millisecond), time.Since(start).Round(10*time.Millisecond))
			if peak() > most {
				t.Errorf("%d tools: %s took %d MiB", n, args[0], peak()>>20)
			}
		}
	}
}
