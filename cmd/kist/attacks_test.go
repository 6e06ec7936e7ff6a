package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

// TestAttacks plays every attack of docs/trust.md against a whole kist: first its honest
// twin, which must succeed, and then the attack, which must end with the exit code of the
// table and leave what is installed unchanged. With -short it plays the first attack of
// each class. This prints the table:
//
//	go test -run TestAttacks -v ./cmd/kist
func TestAttacks(t *testing.T) {
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ATTACK\tHOW\tEXIT")
	class := ""
	for _, a := range allAttacks() {
		if testing.Short() && a.class == class {
			continue
		}
		class = a.class
		name := strings.ReplaceAll(a.class+"/"+a.how, " ", "_")
		t.Run(name, func(t *testing.T) {
			t.Run("twin", func(t *testing.T) { a.play(t, true) })
			t.Run("attack", func(t *testing.T) { a.play(t, false) })
		})
		fmt.Fprintf(w, "%s\t%s\t%d\n", a.class, a.how, a.code)
	}
	w.Flush()
	t.Log("\n" + table.String())
}

// allAttacks returns every attack, in the order of docs/trust.md.
func allAttacks() []attack { return append(slices.Clone(attacks), badReleases()...) }

// attack is one attack, and the command that its victim runs. The victim has added the
// channel acme and installed hello 1.0 from it.
type attack struct {
	class, how string
	code       int
	// do prepares the world, honestly or not, and returns the command.
	do func(b *battle, honest bool) []string
}

func (a attack) play(t *testing.T, honest bool) {
	b := newBattle(t)
	args := a.do(b, honest)
	before := b.installed()
	code, said := b.kist(args...)
	if honest {
		if code != 0 {
			t.Errorf("kist %q: exit code %d: %s", args, code, said)
		}
		return
	}
	if code != a.code {
		t.Errorf("kist %q: exit code %d, want %d: %s", args, code, a.code, said)
	}
	if after := b.installed(); after != before {
		t.Errorf("what is installed was changed:\n%s\nafter\n%s", after, before)
	}
}

const acmeURL, mirrorURL = "https://tools.acme.example/", "https://mirror.example/acme/"

// battle is the world of one attack: a user with a home, and the hosts of the channel.
type battle struct {
	*testing.T
	*manifesttest.Upstream
	now              time.Time
	home             string
	first, second    *verifytest.Key // the publisher's
	thief            *verifytest.Key
	serial           uint64
	machine          string              // directory of the machine's policy file; empty: none
	transport        manifests.Transport // nil: the Upstream
	environ          map[string]string   // in addition to HOME
	terminal         term.Terminal
	answer           string // what the user types
	manifest, manSig []byte // the last published ones
}

func newBattle(t *testing.T) *battle {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	key := func(name string) *verifytest.Key { return verifytest.NewKey(t, name, now.AddDate(-1, 0, 0)) }
	b := &battle{T: t, Upstream: &manifesttest.Upstream{Files: map[string][]byte{}}, now: now, home: t.TempDir(),
		first: key("first"), second: key("second"), thief: key("thief")}
	b.publish("1.0")
	b.add("acme", acmeURL, b.first)
	b.must("install", "hello@1.0")
	return b
}

// kist runs one command of the user.
func (b *battle) kist(args ...string) (code int, said string) {
	env, out, talk := testEnv(b.T, args...)
	getenv := func(name string) string { return cmp.Or(b.environ[name], map[string]string{"HOME": b.home}[name]) }
	env.Dirs, env.Now, env.Transport = host.ReadDirs(getenv, "linux"), func() time.Time { return b.now }, always(b.Upstream)
	env.Dirs.Machine, env.Terminal, env.Stdin = b.machine, b.terminal, strings.NewReader(b.answer)
	env.Platform = manifests.Platform{OS: "linux", Arch: "amd64", Libc: "gnu"}
	if b.transport != nil {
		env.Transport = always(b.transport)
	}
	code = run(b.Context(), env)
	return code, out.String() + talk.String()
}

func (b *battle) must(args ...string) {
	b.Helper()
	if code, said := b.kist(args...); code != 0 {
		b.Fatalf("kist %q: exit code %d: %s", args, code, said)
	}
}

// add adds a channel. Each of these keys must sign for it.
func (b *battle) add(name, url string, keys ...*verifytest.Key) {
	b.Helper()
	b.must(append([]string{"channel", "add", name, url, "--threshold", fmt.Sprint(len(keys))}, b.keyFiles(keys...)...)...)
}

func (b *battle) keyFiles(keys ...*verifytest.Key) (args []string) {
	for _, k := range keys {
		file := filepath.Join(b.TempDir(), string(k.Primary())+".asc")
		if err := os.WriteFile(file, k.Public(b), 0o600); err != nil {
			b.Fatal(err)
		}
		args = append(args, "--key", file)
	}
	return args
}

// installed describes all files of toolchains, commands and receipts.
func (b *battle) installed() string {
	var all strings.Builder
	for _, dir := range []string{".local/share/kist", ".local/bin", ".local/state/kist/receipts"} {
		err := fs.WalkDir(os.DirFS(b.home), dir, func(name string, e fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) || path.Base(path.Dir(name)) == "stage" || path.Base(name) == "stage" {
				return nil
			}
			info, err := e.Info()
			if err == nil {
				fmt.Fprintf(&all, "%s %v %d\n", name, info.Mode(), map[bool]int64{true: 0, false: info.Size()}[e.IsDir()])
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return all.String()
}

// hello returns a release of the tool hello with one file for one platform.
func (b *battle) hello(version, platform string) native.Release {
	name := "hello-" + version + "-" + strings.ReplaceAll(platform, "/", "-")
	content := []byte("#!/bin/sh\necho " + name + "\n")
	p, err := manifests.ParsePlatform(platform)
	if err != nil {
		b.Fatal(err)
	}
	b.Files[acmeURL+"blobs/"+name] = content
	return native.Release{Tool: "hello", Version: version, Commands: []string{"bin/hello"}, Artifacts: []native.Artifact{{
		Platform: p, Component: "hello", Path: "blobs/" + name, Size: int64(len(content)), SHA256: verify.DigestOf(content), Format: "file"}}}
}

// next returns the next manifest, with these versions of hello.
func (b *battle) next(versions ...string) *native.Manifest {
	b.serial++
	m := &native.Manifest{Channel: "acme", Serial: b.serial, Issued: b.now.Add(-time.Minute), Expires: b.now.AddDate(0, 0, 30)}
	for _, v := range versions {
		m.Releases = append(m.Releases, b.hello(v, "linux/amd64"))
	}
	return m
}

// serve publishes m, signed by keys.
func (b *battle) serve(m *native.Manifest, keys ...*verifytest.Key) {
	b.Helper()
	data, err := m.Encode()
	if err != nil {
		b.Fatal(err)
	}
	b.serveText(data, keys...)
}

// serveText is like serve for the text of a manifest, which may break the format.
func (b *battle) serveText(data []byte, keys ...*verifytest.Key) {
	b.Helper()
	b.manifest, b.manSig = data, nil
	b.Files[acmeURL+"channel.toml"] = data
	delete(b.Files, acmeURL+"channel.toml.asc")
	if len(keys) > 0 {
		b.manSig = verifytest.Cosign(b, data, b.now, keys...)
		b.Files[acmeURL+"channel.toml.asc"] = b.manSig
	}
}

// publish publishes the next manifest as the honest publisher does.
func (b *battle) publish(versions ...string) { b.serve(b.next(versions...), b.first) }

// mirror copies what the channel serves to a mirror, which is asked instead from now on.
// The channel itself serves nothing any more.
func (b *battle) mirror() {
	b.Helper()
	for ref, data := range maps.Clone(b.Files) {
		if name, ok := strings.CutPrefix(ref, acmeURL); ok {
			b.Files[mirrorURL+name] = data
			b.Tell(ref, manifesttest.NotFound)
		}
	}
	text := fmt.Sprintf("format = 1\n[[mirror]]\nfrom = %q\nto = %q\nonly = true\n", acmeURL, mirrorURL)
	if err := os.WriteFile(b.file(".config/kist/config.toml"), []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
}

// keys publishes a keys document; the previous one stays available by its version.
func (b *battle) keys(version uint64, signs, names []*verifytest.Key, changes ...func(*native.Keys)) {
	b.Helper()
	k := &native.Keys{Channel: "acme", Version: version, Issued: b.now.Add(-time.Minute), Expires: b.now.AddDate(0, 0, 300), Threshold: 1}
	for _, key := range names {
		k.Certificates = append(k.Certificates, key.Public(b))
	}
	for _, change := range changes {
		change(k)
	}
	data, err := k.Encode()
	if err != nil {
		b.Fatal(err)
	}
	if was, ok := b.Files[acmeURL+"keys.toml"]; ok {
		kept := acmeURL + native.KeysFileOf(version-1)
		b.Files[kept], b.Files[kept+".asc"] = was, b.Files[acmeURL+"keys.toml.asc"]
	}
	b.Files[acmeURL+"keys.toml"], b.Files[acmeURL+"keys.toml.asc"] = data, verifytest.Cosign(b, data, b.now, signs...)
}

func team(keys ...*verifytest.Key) []*verifytest.Key { return keys }

// either returns twin if honest, else attack.
func either[T any](honest bool, twin, attack T) T {
	if honest {
		return twin
	}
	return attack
}

// wait advances the clock.
func (b *battle) wait(d time.Duration) { b.now = b.now.Add(d) }

// lie makes the host lie about a file, unless honest.
func (b *battle) lie(honest bool, file string, lie manifesttest.Lie) {
	if !honest {
		b.Tell(acmeURL+file, lie)
	}
}

// file returns the path of a file in the home.
func (b *battle) file(name string) string { return filepath.Join(b.home, name) }

// slow is a reader that delivers one byte at a time.
type slow struct{ left int }

func (s *slow) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	s.left--
	p[0] = ' '
	time.Sleep(20 * time.Millisecond)
	return 1, nil
}

var installNew = []string{"install", "hello@1.1"}

func changed(data []byte) []byte {
	data = bytes.Clone(data)
	data[len(data)/2] ^= 1
	return data
}

// TestTrustTable checks that docs/trust.md has one row for every attack, with its exit
// code, and no other rows.
func TestTrustTable(t *testing.T) {
	page, err := os.ReadFile("../../docs/trust.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "\n## Attacks\n")
	text, _, _ = strings.Cut(text, "\n## ")
	for _, a := range allAttacks() {
		row := fmt.Sprintf("| %s | %s | %d |", a.class, a.how, a.code)
		if !strings.Contains(text, row) {
			t.Errorf("no row %q", row)
		}
		text = strings.Replace(text, row, "", 1)
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| attack") && !strings.HasPrefix(line, "| ---") {
			t.Errorf("a row without a test: %s", line)
		}
	}
}
