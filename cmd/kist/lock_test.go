//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/lockfile"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

// A lockWorld is a channel that offers hello for three platforms, and a project.
type lockWorld struct {
	*testing.T
	*manifesttest.Upstream
	key     *verifytest.Key
	keyFile string
	repo    string
	now     time.Time
}

// lockPlatforms are those of the channel. Its file for each says which one it is for.
var lockPlatforms = []manifests.Platform{{OS: "darwin", Arch: "arm64"}, {OS: "linux", Arch: "amd64", Libc: "gnu"}, {OS: "linux", Arch: "arm64", Libc: "musl"}}

func newLockWorld(t *testing.T) *lockWorld {
	w := &lockWorld{T: t, Upstream: &manifesttest.Upstream{Files: map[string][]byte{}}, now: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)}
	w.key = verifytest.NewKey(t, "acme", w.now.AddDate(-1, 0, 0))
	m := &native.Manifest{Channel: "acme", Serial: 3, Issued: w.now.Add(-time.Hour), Expires: w.now.AddDate(0, 0, 30)}
	for _, version := range []string{"1.1.0", "1.0.0"} {
		r := native.Release{Tool: "hello", Version: version, Commands: []string{"bin/hello"}}
		for _, p := range lockPlatforms {
			name := fmt.Sprintf("blobs/hello-%s-%s-%s", version, p.OS, p.Arch)
			content := []byte("#!/bin/sh\necho hello " + version + " for " + p.String() + "\n")
			w.Files[acmeURL+name] = content
			r.Artifacts = append(r.Artifacts, native.Artifact{Platform: p, Component: "hello", Path: name, Size: int64(len(content)), SHA256: verify.DigestOf(content), Format: "file"})
		}
		m.Releases = append(m.Releases, r)
	}
	data, err := m.Encode()
	must(t, err)
	w.Files[acmeURL+"channel.toml"], w.Files[acmeURL+"channel.toml.asc"] = data, verifytest.Cosign(t, data, w.now.Add(-time.Minute), w.key)
	dir := t.TempDir()
	w.repo, w.keyFile = filepath.Join(dir, "repo"), filepath.Join(dir, "acme.asc")
	must(t, os.Mkdir(w.repo, 0o700))
	must(t, os.WriteFile(w.keyFile, w.key.Public(t), 0o600))
	must(t, os.WriteFile(filepath.Join(w.repo, "kist.toml"), []byte("[tools]\n\"acme/hello\" = \"1.1\"\n"), 0o600))
	t.Chdir(w.repo)
	return w
}

// A lockMachine is a machine of a platform, with a home of its own.
type lockMachine struct {
	*lockWorld
	home     string
	platform manifests.Platform
}

// machine returns a machine that has added the channel.
func (w *lockWorld) machine(p manifests.Platform) lockMachine {
	m := lockMachine{w, w.TempDir(), p}
	m.exits(0, "channel", "add", "acme", acmeURL, "--key", w.keyFile)
	return m
}

func (m lockMachine) exits(want int, args ...string) (said string) {
	m.Helper()
	env, out, talk := testEnv(m.T, args...)
	getenv := func(name string) string { return map[string]string{"HOME": m.home}[name] }
	env.Dirs, env.Transport, env.Platform = host.ReadDirs(getenv, "linux"), always(m.Upstream), m.platform
	if code := run(m.Context(), env); code != want {
		m.Errorf("kist %s on %s: exit code %d, want %d: %s%s", strings.Join(args, " "), m.platform, code, want, out, talk)
	}
	return out.String() + talk.String()
}

// TestLockForThreePlatforms locks a project for three platforms on one machine, and
// installs it on a machine of each.
func TestLockForThreePlatforms(t *testing.T) {
	w := newLockWorld(t)
	first := w.machine(lockPlatforms[1])
	args := []string{"lock"}
	for _, p := range lockPlatforms {
		args = append(args, "--platform", p.String())
	}
	first.exits(0, args...)
	locked, err := os.ReadFile("kist.lock")
	must(t, err)
	for _, p := range lockPlatforms {
		if !strings.Contains(string(locked), fmt.Sprintf("platform = %q", p)) {
			t.Errorf("no platform %s in\n%s", p, locked)
		}
		m := w.machine(p)
		m.exits(0, "install", "--locked")
		m.exits(0, "verify", "--locked")
		programs, err := filepath.Glob(filepath.Join(m.home, ".local", "share", "kist", "prefixes", "*", "bin", "hello"))
		if err != nil || len(programs) != 1 {
			t.Fatalf("%s: %q, %v", p, programs, err)
		}
		if program, err := os.ReadFile(programs[0]); err != nil || !strings.HasSuffix(string(program), "hello 1.1.0 for "+p.String()+"\n") {
			t.Errorf("%s got %q, %v", p, program, err)
		}
		// Each adds the digest of its own tree, and leaves the others.
		m.exits(0, "lock")
	}
	l, err := lockfile.Parse("kist.lock", readLock(t))
	must(t, err)
	trees := map[string]bool{}
	for _, p := range l.Tools[0].Platforms {
		trees[p.Tree.Hex()] = !p.Tree.IsZero()
	}
	if len(l.Tools[0].Platforms) != 3 || len(trees) != 3 {
		t.Errorf("want three platforms with a tree each: %+v", l.Tools[0].Platforms)
	}
	for _, p := range lockPlatforms {
		w.machine(p).exits(0, "install", "--locked")
	}
	fourth := w.machine(manifests.Platform{OS: "linux", Arch: "riscv64", Libc: "gnu"})
	if said := fourth.exits(1, "install", "--locked"); !strings.Contains(said, "does not cover acme/hello on linux/riscv64/gnu") {
		t.Errorf("a fourth platform: %s", said)
	}
}

func readLock(t *testing.T) []byte {
	data, err := os.ReadFile("kist.lock")
	must(t, err)
	return data
}

// TestAlteredLocks alters each field of a lock. Both a machine that has nothing installed
// and one that has installed the locked release refuse each lock.
func TestAlteredLocks(t *testing.T) {
	w := newLockWorld(t)
	bare, full := w.machine(lockPlatforms[1]), w.machine(lockPlatforms[1])
	full.exits(0, "lock")
	full.exits(0, "install", "--locked")
	full.exits(0, "lock") // adds the tree
	good := readLock(t)
	other := verify.DigestOf([]byte("other"))
	type tool = lockfile.Tool
	file := func(t *tool) *lockfile.File { return &t.Platforms[0].Files[0] }
	alterations := map[string]struct {
		alter      func(*tool)
		bare, full int // exit codes
	}{
		"Ask":                       {func(t *tool) { t.Ask = "acme/hello@1.0" }, 1, 1},
		"Components":                {func(t *tool) { t.Components = []string{"hello"} }, 1, 1},
		"Targets":                   {func(t *tool) { t.Targets = []string{"wasm32"} }, 1, 1},
		"Profile":                   {func(t *tool) { t.Profile = "minimal" }, 1, 1},
		"Channel":                   {func(t *tool) { t.Channel = "other" }, 1, 1},
		"Name":                      {func(t *tool) { t.Name = "world" }, 1, 1},
		"Version":                   {func(t *tool) { t.Version = "1.1.9" }, 3, 3},
		"Origin":                    {func(t *tool) { t.Origin = "mirror" }, 4, 0}, // a receipt does not say; the bytes and keys are the same
		"Proof.Kind":                {func(t *tool) { t.Proof.Kind = verify.ByClearsigned }, 4, 4},
		"Proof.Signers":             {func(t *tool) { t.Proof.Signers[0] = verify.Fingerprint(strings.Repeat("A", 40)) }, 4, 4},
		"Proof.Serial":              {func(t *tool) { t.Proof.Serial++ }, 4, 4},
		"Proof.Issued":              {func(t *tool) { t.Proof.Issued = t.Proof.Issued.Add(time.Hour) }, 4, 4},
		"Proof.Digest":              {func(t *tool) { t.Proof.Digest = other }, 4, 4},
		"Proof.Lines":               {func(t *tool) { t.Proof.Lines = []verify.Digest{other} }, 2, 2},
		"Platforms.Platform":        {func(t *tool) { t.Platforms[0].Platform = lockPlatforms[0] }, 1, 1},
		"Platforms.Tree":            {func(t *tool) { t.Platforms[0].Tree = other }, 4, 4},
		"Platforms.Files.Component": {func(t *tool) { file(t).Component = "other" }, 4, 3},
		"Platforms.Files.Name":      {func(t *tool) { file(t).Name = "other" }, 4, 4},
		"Platforms.Files.Size":      {func(t *tool) { file(t).Size++ }, 4, 4},
		"Platforms.Files.Digest":    {func(t *tool) { file(t).Digest = other }, 4, 4},
		"Platforms.Files.H1":        {func(t *tool) { file(t).Digest, file(t).H1 = verify.Digest{}, "h1:other=" }, 4, 4},
		"Platforms.Files.Signature": {func(t *tool) { file(t).Digest, file(t).Signature = verify.Digest{}, other }, 4, 4},
	}
	if got, want := fieldsOf(reflect.TypeFor[lockfile.Tool](), ""), len(alterations); len(got) != want || slices.ContainsFunc(got, func(name string) bool {
		return alterations[name].alter == nil
	}) {
		t.Errorf("a lock has the fields %q, and %d are altered here", got, want)
	}
	for name, a := range alterations {
		l, err := lockfile.Parse("kist.lock", good)
		must(t, err)
		a.alter(&l.Tools[0])
		text := l.Encode()
		if string(text) == string(good) {
			t.Errorf("%s is not in the file", name)
		}
		must(t, os.WriteFile("kist.lock", text, 0o600))
		for m, want := range map[*lockMachine]int{&bare: a.bare, &full: a.full} {
			if m.exits(want, "install", "--locked"); t.Failed() {
				t.Fatalf("%s, installed: %v", name, m == &full)
			}
		}
		if said := bare.exits(0, "list"); strings.Contains(said, "hello") {
			t.Fatalf("%s: something was installed: %s", name, said)
		}
	}
	must(t, os.WriteFile("kist.lock", good, 0o600))
	full.exits(0, "install", "--locked")
	bare.exits(0, "install", "--locked")
}

// fieldsOf returns the names of the fields of a type, with those of the structs of this
// module in it, as "Platforms.Files.Name".
func fieldsOf(of reflect.Type, above string) (names []string) {
	for i := range of.NumField() {
		f := of.Field(i)
		elem := f.Type
		if elem.Kind() == reflect.Slice {
			elem = elem.Elem()
		}
		if elem.Kind() == reflect.Struct && elem.PkgPath() == reflect.TypeFor[lockfile.Tool]().PkgPath() {
			names = append(names, fieldsOf(elem, above+f.Name+".")...)
			continue
		}
		names = append(names, above+f.Name)
	}
	return names
}
