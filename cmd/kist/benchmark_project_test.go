//go:build benchmark

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

// TestProjectBenchmark measures what a project costs. It needs rustup with a toolchain:
//
//	go test -tags benchmark -run TestProjectBenchmark -v ./cmd/kist -bench-runs 60
func TestProjectBenchmark(t *testing.T) {
	r := &report{t: t}
	program := build(t)
	nothingToDo(t, r, program)
	launchers(t, r, program)
	r.print()
}

// nothingToDo compares kist install with nothing to do in a project of ten tools with the
// same in a project of one, each in a home with just those.
func nothingToDo(t *testing.T, r *report, program string) {
	homes := map[int]*home{1: projectHome(t, program, 1), 10: projectHome(t, program, 10)}
	by := func(tools int) contender {
		return contender{name: fmt.Sprintf("kist install, %d tools", tools), command: func() *exec.Cmd {
			c := homes[tools].command("install")
			c.Dir = homes[tools].path("shop")
			return c
		}}
	}
	f := contest(t, *benchRuns, by(1), by(10))
	r.row("a project with nothing to do: wall, ten tools / one", ratio(f[1], f[0], wall), 1.3)
	r.row("a project with nothing to do: CPU, ten tools / one", ratio(f[1], f[0], cpu), 1.3)

	inside := map[int][]float64{}
	for range *benchRuns {
		for tools, h := range homes {
			t.Chdir(h.path("shop"))
			start := time.Now()
			if code, said := h.inside(t, "install"); code != 0 {
				t.Fatal(said)
			}
			inside[tools] = append(inside[tools], time.Since(start).Seconds())
		}
	}
	t.Logf("without the start of a process: %.2f ms and %.2f ms", 1e3*median(inside[10]), 1e3*median(inside[1]))
}

// launchers compares what a launcher adds to a command with what rustup's proxy adds. The
// command is the cargo of rustup's default toolchain, or a copy of it that kist installed.
func launchers(t *testing.T, r *report, program string) {
	direct := strings.TrimSpace(tool(t, "rustup", "which", "cargo"))
	toolchain, _, _ := strings.Cut(tool(t, "rustup", "show", "active-toolchain"), " ")
	proxy := strings.TrimSpace(tool(t, "sh", "-c", "command -v cargo"))
	h := projectHome(t, program, 10)
	key, dir := h.path("shop", "rust.asc"), commonDir(t)
	signer := newSigner(t, "ed25519")
	write(t, key, takeFile(t, signer.publicKey()), 0o644)
	h.must("publish", "init", dir, "--channel", "local")
	h.must("publish", "add", dir, direct, "--tool", "crab", "--version", "1.0", "--platform", "any", "--format", "file", "--command", "cargo")
	h.must("publish", "sign", dir, "--secret-key", signer.secretKey())
	h.must("channel", "add", "local", dir, "--key", key)
	h.must("install", "local/crab")
	h.must("shims", "on")
	deep := h.path("shop", "src", "deep")
	must(t, os.MkdirAll(deep, 0o755))
	write(t, h.path("shop", "kist.toml"), "[tools]\n\"local/crab\" = \"1.0\"\n", 0o644)
	time.Sleep(3 * time.Second) // what has just changed is not stored for launchers
	shim, copied := h.path(".local", "bin", "cargo"), strings.TrimSpace(h.must("which", "cargo"))
	tenTimes := func(dir, command string, variables ...string) func() *exec.Cmd {
		return func() *exec.Cmd {
			c := exec.Command("sh", "-c", strings.Repeat(command+" --version;", 10))
			c.Dir, c.Env = dir, append(slices.Clone(h.env), variables...)
			return c
		}
	}
	rustup := []string{"RUSTUP_TOOLCHAIN=" + toolchain, "RUSTUP_HOME=" + strings.TrimSpace(tool(t, "rustup", "show", "home")), "HOME=" + os.Getenv("HOME")}
	f := contest(t, *benchRuns,
		contender{name: "rustup's cargo, ten times", command: tenTimes(deep, direct)},
		contender{name: "by rustup's proxy", command: tenTimes(deep, proxy, rustup...)},
		contender{name: "kist's cargo, ten times", command: tenTimes(deep, copied)},
		contender{name: "by a project's launcher", command: tenTimes(deep, shim)},
		contender{name: "by a launcher outside", command: tenTimes(h.dir, shim)})
	added := func(i, direct int) float64 {
		var list []float64
		for run := range f[i] { // both of one rotation
			list = append(list, f[i][run].wall-f[direct][run].wall)
		}
		t.Logf("contender %d adds %.2f ms to a command", i, 1e2*median(list))
		return median(list)
	}
	theirs := added(1, 0)
	r.row("a project's command, by its launcher: time added / rustup's proxy", added(3, 2)/theirs, 0.3)
	r.row("a default's command, by its launcher: time added / rustup's proxy", added(4, 2)/theirs, 0.3)
}

// inside runs kist in this process.
func (h *home) inside(t *testing.T, args ...string) (code int, said string) {
	var out, talk bytes.Buffer
	env := hostEnv()
	env.Args, env.Stdout, env.Stderr, env.Environ = args, &out, &talk, h.env
	env.Dirs = host.ReadDirs(func(name string) string { return host.Getenv(h.env, name) }, "linux")
	return run(t.Context(), env), out.String() + talk.String()
}

// projectHome returns a home with a project of that many tools, all installed.
func projectHome(t *testing.T, program string, tools int) *home {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Second)
	key, channel := verifytest.NewKey(t, "acme", now.AddDate(-1, 0, 0)), commonDir(t)
	m := &native.Manifest{Channel: "acme", Serial: 1, Issued: now.Add(-time.Hour), Expires: now.AddDate(0, 0, 30)}
	asks := "[tools]\n"
	for i := range tools {
		name := fmt.Sprintf("tool%d", i)
		content := manifesttest.Fill("#!/bin/sh\n", 1<<10, func(i int) string { return fmt.Sprintf("# %d\n", i) }, "")
		write(t, filepath.Join(channel, name), string(content), 0o644)
		m.Releases = append(m.Releases, native.Release{Tool: name, Version: "1.0", Commands: []string{"bin/" + name}, Artifacts: []native.Artifact{
			{Platform: manifests.Platform{}, Component: name, Path: name, Size: int64(len(content)), SHA256: verify.DigestOf(content), Format: "file"}}})
		asks += fmt.Sprintf("%q = \"1.0\"\n", "acme/"+name)
	}
	data, err := m.Encode()
	must(t, err)
	write(t, filepath.Join(channel, "channel.toml"), string(data), 0o644)
	write(t, filepath.Join(channel, "channel.toml.asc"), string(verifytest.Cosign(t, data, now.Add(-time.Minute), key)), 0o644)
	write(t, filepath.Join(channel, "acme.asc"), string(key.Public(t)), 0o644)
	h := newHome(t, program)
	must(t, os.Mkdir(h.path("shop"), 0o755))
	write(t, h.path("shop", "kist.toml"), asks, 0o644)
	h.must("channel", "add", "acme", channel, "--key", filepath.Join(channel, "acme.asc"))
	h.in(h.path("shop")).must("install")
	return h
}
