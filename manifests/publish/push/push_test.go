package push_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/manifests/publish/push"
	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/manifests/transport/oci"
	"github.com/kist-tools/kist/manifests/transport/oci/ocitest"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

// A publisher has a channel and a registry.
type publisher struct {
	*testing.T
	publish.Dir
	*ocitest.Registry
	now    time.Time
	secret *verify.SecretKey
	at     manifests.RegistryRef
	tag    string
}

func newPublisher(t *testing.T) *publisher {
	t.Helper()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	p := &publisher{T: t, Dir: publish.Dir{Root: root}, Registry: ocitest.New(), now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), tag: "head"}
	server := httptest.NewServer(p.Registry)
	t.Cleanup(server.Close)
	p.at, err = manifests.ParseRegistryRef("oci://" + server.Listener.Addr().String() + "/acme/tools")
	if err == nil {
		p.secret, err = verify.ReadSecretKey(verifytest.NewKey(t, "acme", p.now.AddDate(-1, 0, 0)).Secret(t))
	}
	if err == nil {
		err = p.Init("acme")
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// add adds releases of a tool for three platforms each.
func (p *publisher) add(tool string, from, to int) {
	p.Helper()
	var list []publish.Addition
	for n := from; n < to; n++ {
		for _, name := range []string{"linux/amd64", "linux/arm64", "darwin/arm64"} {
			platform, err := manifests.ParsePlatform(name)
			if err != nil {
				p.Fatal(err)
			}
			content := fmt.Sprint(tool, n, name)
			a, err := publish.Measure(strings.NewReader(content))
			if err != nil {
				p.Fatal(err)
			}
			a.Platform, a.Format, a.Strip = platform, "tar.gz", 1
			list = append(list, publish.Addition{Tool: tool, Version: fmt.Sprintf("1.%d", n), Commands: []string{"bin/x"}, Artifact: a,
				Name: fmt.Sprintf("%s-1.%d-%s-%s.tar.gz", tool, n, platform.OS, platform.Arch),
				Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil }})
		}
	}
	draft, err := p.Begin()
	if err == nil {
		_, err = draft.Add(list)
	}
	if err == nil {
		err = draft.Write()
	}
	if err != nil {
		p.Fatal(err)
	}
}

func (p *publisher) sign() {
	p.Helper()
	if _, err := p.SignBy(publish.Signature{Key: p.secret}, publish.Stamp{Now: p.now}); err != nil {
		p.Fatal(err)
	}
}

func (p *publisher) try(dryRun bool) (push.Done, error) {
	p.Helper()
	report, err := p.Verify(publish.Verification{Now: p.now, Threshold: 1})
	if err != nil {
		p.Fatal(err)
	}
	to := oci.New(transport.Config{Version: "test"}).Repository(p.at)
	return push.Push{Dir: p.Dir, Report: report, To: to, Tag: p.tag, Jobs: 4, DryRun: dryRun}.Run(p.Context())
}

func (p *publisher) push() push.Done {
	p.Helper()
	done, err := p.try(false)
	if err != nil {
		p.Fatal(err)
	}
	return done
}

// TestManyReleases pushes 500 releases for three platforms at once, and then one more: in
// manifests that registries accept, with nothing that they remove as unused, and without
// sending again what they have.
func TestManyReleases(t *testing.T) {
	for name, tools := range map[string]int{"of 50 tools": 50, "of one tool": 1} {
		t.Run(name, func(t *testing.T) {
			p := newPublisher(t)
			for i := range tools {
				p.add(fmt.Sprintf("tool%d", i), 0, 500/tools)
			}
			p.sign()
			dry, err := p.try(true)
			if made, blobs := p.Digests(); err != nil || made != 0 || blobs != 0 || dry.Sent != 1502 {
				t.Fatalf("a dry run sent %d manifests and %d blobs, and would send %d: %v", made, blobs, dry.Sent, err)
			}
			p.Requests()
			done := p.push()
			if done.Sent != 1502 || done.Present != 0 || done.Bytes != dry.Bytes || done.Unchanged {
				t.Errorf("sent %+v", done)
			}
			last := p.Requests()
			if end := last[len(last)-1]; end.Method != http.MethodPut || !strings.HasSuffix(end.Path, "/manifests/head") {
				t.Errorf("the last request is %+v", end)
			}
			p.Collect()
			if _, blobs := p.Digests(); blobs != 1503 { // and the empty configuration
				t.Errorf("%d blobs are left", blobs)
			}
			if again := p.push(); !again.Unchanged || again.Digest != done.Digest {
				t.Errorf("the same again: %+v", again)
			}
			if asked := p.Requests(); len(asked) != 1 {
				t.Errorf("the same again took %d requests", len(asked))
			}
			p.add("tool0", 500, 501)
			p.sign()
			if done := p.push(); done.Sent != 5 || done.Present != 1500 {
				t.Errorf("one more release: %+v", done)
			}
			if asked := len(p.Requests()); tools > 1 && asked > 140 {
				t.Errorf("one more release took %d requests", asked)
			}
			p.Collect()
			if p.Tag("acme/tools", "serial-2") == p.Tag("acme/tools", "serial-1") || p.Tag("acme/tools", "head") == done.Digest {
				t.Error("the tags do not lead to editions of their own")
			}
		})
	}
}

// TestArrange checks that the same channel gives the same bytes, and what they say.
func TestArrange(t *testing.T) {
	p := newPublisher(t)
	p.add("b", 0, 2)
	p.add("a", 0, 1)
	p.sign()
	report, err := p.Verify(publish.Verification{Now: p.now, Threshold: 1})
	if err != nil {
		t.Fatal(err)
	}
	documents, err := p.Published(report.Evidence.Mark.Digest)
	if err != nil {
		t.Fatal(err)
	}
	one, err := push.Arrange(report.Manifest, documents)
	if err != nil {
		t.Fatal(err)
	}
	two, err := push.Arrange(report.Manifest, documents)
	if err != nil || !bytes.Equal(one.Index, two.Index) || len(one.Groups) != 3 {
		t.Errorf("%d groups; a second time it differs, or %v", len(one.Groups), err)
	}
	index, err := oci.ParseIndex(one.Index)
	if err != nil || index.Annotations[oci.ChannelKey] != "acme" || index.Annotations[oci.SerialKey] != "1" {
		t.Errorf("%+v, %v", index, err)
	}
	files, err := oci.ParseManifest(one.Groups[0].Data)
	if err != nil || files["channel.toml"].Digest != "sha256:"+report.Evidence.Mark.Digest.Hex() || files["channel.toml.asc"].Size == 0 {
		t.Errorf("%+v, %v", files, err)
	}
	var tool oci.Manifest
	if err := json.Unmarshal(one.Groups[1].Data, &tool); err != nil || tool.ArtifactType != oci.ToolArtifact || len(tool.Layers) != 6 ||
		tool.Layers[0].Annotations[oci.TitleKey] != report.Manifest.Releases[0].Artifacts[0].Path {
		t.Errorf("%+v, %v", tool, err)
	}
	if _, err := p.Published(verify.DigestOf(nil)); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("a channel that was changed after it was verified: %v", err)
	}
}

// TestRefusals checks what is not replaced, and its twins.
func TestRefusals(t *testing.T) {
	p := newPublisher(t)
	p.add("a", 0, 1)
	p.sign()
	p.push()
	first := p.Tag("acme/tools", "head")
	p.add("a", 1, 2)
	p.sign()
	p.push()
	second := p.Tag("acme/tools", "head")

	p.SetTag("acme/tools", "serial-2", first)
	p.SetTag("acme/tools", "head", first)
	if _, err := p.try(false); !errors.Is(err, push.ErrTaken) {
		t.Errorf("a serial that is another edition: %v", err)
	}
	p.SetTag("acme/tools", "serial-2", "")
	if done := p.push(); done.Digest != second || p.Tag("acme/tools", "serial-2") != second {
		t.Errorf("without that tag: %+v", done)
	}
	for name, test := range map[string]struct {
		annotations map[string]string
		artifact    string
		want        error
	}{
		"an image":         {nil, "", push.ErrOther},
		"another channel":  {map[string]string{oci.ChannelKey: "b", oci.SerialKey: "1"}, oci.ChannelArtifact, push.ErrOther},
		"no serial":        {map[string]string{oci.ChannelKey: "acme"}, oci.ChannelArtifact, push.ErrOther},
		"a later edition":  {map[string]string{oci.ChannelKey: "acme", oci.SerialKey: "3"}, oci.ChannelArtifact, push.ErrNewer},
		"an older edition": {map[string]string{oci.ChannelKey: "acme", oci.SerialKey: "1"}, oci.ChannelArtifact, nil},
	} {
		data, _ := json.Marshal(oci.Index{SchemaVersion: 2, MediaType: oci.IndexType, ArtifactType: test.artifact, Annotations: test.annotations})
		there := p.Put("acme/tools", "head", oci.IndexType, data)
		_, err := p.try(false)
		if !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
		if now := p.Tag("acme/tools", "head"); err != nil && now != there || err == nil && now != second {
			t.Errorf("%s: the tag leads to %s", name, now)
		}
	}
}

// TestURLs checks that artifacts at other URLs are left there, if users accept these.
func TestURLs(t *testing.T) {
	for url, ok := range map[string]bool{"https://a.example/x.tar.gz": true, "http://a.example/x.tar.gz": false} {
		p := newPublisher(t)
		p.add("a", 0, 1)
		p.sign()
		p.change(func(m *native.Manifest) {
			a := &m.Releases[0].Artifacts[0]
			a.Path, a.URLs = "", []string{url}
		})
		report := publish.Report{Manifest: p.manifest(), Evidence: verify.Evidence{Mark: &verify.Mark{Digest: p.digest()}}, Elsewhere: 1}
		to := oci.New(transport.Config{Version: "test"}).Repository(p.at)
		done, err := push.Push{Dir: p.Dir, Report: report, To: to, Tag: "head"}.Run(t.Context())
		if ok && (err != nil || done.Sent != 4 || done.Elsewhere != 1) || !ok && !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%s: %+v, %v", url, done, err)
		}
	}
	p := newPublisher(t)
	to := oci.New(transport.Config{Version: "test"}).Repository(p.at)
	if _, err := (push.Push{Dir: p.Dir, To: to, Tag: "head"}).Run(t.Context()); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("a channel that was not verified: %v", err)
	}
}

func (p *publisher) text() []byte {
	p.Helper()
	data, err := p.Root.ReadFile(publish.ManifestFile)
	if err != nil {
		p.Fatal(err)
	}
	return data
}

func (p *publisher) digest() verify.Digest { return verify.DigestOf(p.text()) }

func (p *publisher) manifest() *native.Manifest {
	p.Helper()
	m, err := native.ParseDraft(p.text())
	if err != nil {
		p.Fatal(err)
	}
	return m
}

// change rewrites the manifest.
func (p *publisher) change(edit func(*native.Manifest)) {
	p.Helper()
	m := p.manifest()
	edit(m)
	data, err := m.Encode()
	if err == nil {
		err = p.Root.WriteFile(publish.ManifestFile, data, 0o644)
	}
	if err != nil {
		p.Fatal(err)
	}
}
