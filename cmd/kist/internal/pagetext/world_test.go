package pagetext_test

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/cmd/kist/internal/pagetext"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

// A world is a publisher with a new directory.
type world struct {
	*testing.T
	publish.Dir
	path string
	now  time.Time
	keys map[string]*verifytest.Key
}

func newWorld(t *testing.T, now time.Time) *world {
	t.Helper()
	w := &world{T: t, path: t.TempDir(), now: now, keys: map[string]*verifytest.Key{}}
	root, err := os.OpenRoot(w.path)
	w.must(err)
	t.Cleanup(func() { root.Close() })
	w.Dir = publish.Dir{Root: root}
	w.must(w.Init("acme"))
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// key returns the key of the person called name. The first call for a name makes it.
func (w *world) key(name string) *verifytest.Key {
	if w.keys[name] == nil {
		w.keys[name] = verifytest.NewKey(w, name, w.now.AddDate(-1, 0, 0))
	}
	return w.keys[name]
}

func (w *world) public(names ...string) (files [][]byte) {
	for _, name := range names {
		files = append(files, w.key(name).Public(w))
	}
	return files
}

func (w *world) stamp() publish.Stamp { return publish.Stamp{Now: w.now} }

func (w *world) by(name string) publish.Signature {
	secret, err := verify.ReadSecretKey(w.key(name).Secret(w))
	w.must(err)
	return publish.Signature{Key: secret}
}

// sign signs the manifest, and changeKeys the next keys document, by all of those named.
func (w *world) sign(names ...string) {
	w.Helper()
	for _, name := range names {
		_, err := w.SignBy(w.by(name), w.stamp())
		w.must(err)
	}
}

func (w *world) changeKeys(c publish.KeysChange, names ...string) {
	w.Helper()
	for _, name := range names {
		_, err := w.ChangeKeys(c, w.stamp(), w.by(name))
		w.must(err)
		c = publish.KeysChange{}
	}
}

// add adds a file of a release for each platform.
func (w *world) add(tool, version, fileName string, platforms ...string) {
	w.Helper()
	var list []publish.Addition
	for _, platform := range platforms {
		content := strings.Repeat(strings.Join([]string{tool, version, platform}, " "), 999)
		p, err := manifests.ParsePlatform(platform)
		w.must(err)
		artifact, err := publish.Measure(strings.NewReader(content))
		w.must(err)
		artifact.Platform, artifact.Format = p, "tar.gz"
		list = append(list, publish.Addition{Tool: tool, Version: version, Commands: []string{"bin/" + tool}, Name: fileName, Artifact: artifact,
			Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil }})
	}
	draft, err := w.Begin()
	w.must(err)
	_, err = draft.Add(list)
	w.must(err)
	w.must(draft.Write())
}

// edit changes the text of the published manifest; it must be signed afterwards.
func (w *world) edit(pairs ...string) {
	w.Helper()
	data, err := w.Root.ReadFile(publish.ManifestFile)
	w.must(err)
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(string(data), pairs[i]) {
			w.Fatalf("the manifest has no %q", pairs[i])
		}
	}
	w.must(w.Root.WriteFile(publish.ManifestFile, []byte(strings.NewReplacer(pairs...).Replace(string(data))), 0o644))
}

// channel is what the verb makes the page from.
func (w *world) channel(url string) pagetext.Channel {
	w.Helper()
	report, err := w.Prove(publish.Verification{Now: w.now, Threshold: 1})
	w.must(err)
	history, err := w.History(w.now)
	w.must(err)
	return pagetext.Channel{Report: report, History: history, URL: url, Files: []string{"channel.toml", "channel.toml.asc"}}
}

func (w *world) html(url string) string {
	w.Helper()
	text, err := pagetext.HTML(w.channel(url))
	w.must(err)
	return string(text)
}

// put writes the page into the directory.
func (w *world) put(url string) {
	w.Helper()
	_, err := w.PutPage(publish.Page{URL: url, Text: []byte(w.html(url))}, false)
	w.must(err)
}

// rotated makes a channel with several releases, withdrawals and three versions of its keys.
func rotated(t *testing.T, now time.Time) *world {
	t.Helper()
	w := newWorld(t, now)
	three := []string{"linux/amd64", "linux/arm64", "darwin/arm64"}
	for n, version := range []string{"0.12.0", "0.12.1", "0.13.0", "0.14.0", "0.14.1", "0.15.0-rc1"} {
		w.add("zig", version, fmt.Sprintf("zig-%s.tar.gz", version), three[n%2:]...)
	}
	w.add("ripgrep", "14.0.3", "ripgrep-14.0.3.tar.gz", three...)
	w.add("ripgrep", "14.1.1", "ripgrep-14.1.1.tar.gz", three...)
	w.add("protoc-gen-a-very-long-plugin-name-for-grpc", "2024.11.30+build.1234567", "plugin.tar.gz", "any")
	_, err := w.Edit("zig", "0.14.1", publish.Edit{Labels: []string{"stable", "0.14-lts"}})
	w.must(err)
	_, err = w.PutSet("backend", []string{"zig", "go/go@1.26"})
	w.must(err)
	for _, one := range []verify.Withdrawal{
		{Tool: "zig", Versions: "0.13.0", Reason: "miscompiles loops with more than 2³¹ iterations", ReplacedBy: "0.14.1", Since: w.now},
		{Tool: "ripgrep", Versions: ">=14.0.0 <14.1.0", Reason: "the build server was taken over"},
	} {
		_, err := w.Withdraw(one)
		w.must(err)
	}
	w.sign("alice")
	w.changeKeys(publish.KeysChange{Keys: w.public("alice")}, "alice")
	w.now = w.now.Add(time.Hour)
	w.changeKeys(publish.KeysChange{Keys: w.public("alice", "bob", "carol"), Threshold: 2}, "alice", "bob")
	w.sign("bob")
	w.now = w.now.Add(time.Hour)
	w.changeKeys(publish.KeysChange{Revoke: []verify.Fingerprint{w.key("alice").Primary()}}, "bob", "carol")
	w.sign("carol")
	return w
}
