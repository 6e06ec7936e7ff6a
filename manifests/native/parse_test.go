package native_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/verify"
)

// head, release and artifact are the parts of a small manifest.
const head = "format=1\nchannel=\"acme\"\nserial=1\nissued=2026-11-22T10:00:00Z\nexpires=2026-11-23T10:00:00Z\n"

func release(i int, more string) string {
	return fmt.Sprintf("[[release]]\ntool=\"zig\"\nversion=\"%d\"\n%s", i, more)
}

func artifact(i int) string {
	return fmt.Sprintf("[[release.artifact]]\nplatform=\"any\"\npath=\"p%d\"\nsize=1\nsha256=\"%064d\"\nformat=\"tar\"\n", i, i)
}

// set returns a set of n tools.
func set(i, n int) string {
	var tools strings.Builder
	for j := range n {
		fmt.Fprintf(&tools, "\"tool-%d\",", j)
	}
	return fmt.Sprintf("[[set]]\nname=\"set-%d\"\ntools=[%s]\n", i, tools.String())
}

// TestCeilings tests each ceiling with its last accepted and first refused value.
func TestCeilings(t *testing.T) {
	repeat := func(n int, s func(int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(s(i))
		}
		return b.String()
	}
	list := func(key string, n int) string {
		return key + "=[" + repeat(n, func(i int) string { return fmt.Sprintf("\"https://x.example/%d\",", i) }) + "]\n"
	}
	labels := func(n int) string { return strings.ReplaceAll(list("labels", n), "https://x.example/", "l") }
	commands := func(n int) string { return strings.ReplaceAll(list("commands", n), "https://x.example/", "bin/c") }
	urls := func(n int) string { return strings.Replace(artifact(1), "path=\"p1\"\n", list("urls", n), 1) }
	for name, test := range map[string]struct {
		limit int
		text  func(n int) string
	}{
		"artifacts": {native.MaxList, func(n int) string { return release(1, repeat(n, artifact)) }},
		"labels":    {native.MaxList, func(n int) string { return release(1, labels(n)+artifact(1)) }},
		"commands":  {native.MaxList, func(n int) string { return release(1, commands(n)+artifact(1)) }},
		"urls":      {native.MaxList, func(n int) string { return release(1, urls(n)) }},
		"sets":      {native.MaxList, func(n int) string { return repeat(n, func(i int) string { return set(i, 1) }) }},
		"set tools": {native.MaxList, func(n int) string { return set(1, n) }},
		"withdrawn": {native.MaxWithdrawn, func(n int) string {
			return repeat(n, func(i int) string {
				return fmt.Sprintf("[[withdrawn]]\ntool=\"zig\"\nversions=\"0.%d\"\nreason=\"bad\"\n", i)
			})
		}},
		"bytes": {manifests.MaxManifest, func(n int) string {
			return "#" + strings.Repeat("x", n-len(head)-2) + "\n"
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := native.ParseBytes([]byte(head+test.text(test.limit)), false); err != nil {
				t.Errorf("at the limit: %v", err)
			}
			_, err := native.ParseBytes([]byte(head+test.text(test.limit+1)), false)
			if !errors.Is(err, verify.ErrUntrusted) || !strings.Contains(err.Error(), "limit") {
				t.Errorf("over the limit: %v, want an error that mentions the limit", err)
			}
		})
	}
}

func TestDraftNeedsNoSerialOrDates(t *testing.T) {
	text := []byte("format = 1\nchannel = \"acme\"\n")
	if _, err := native.ParseDraft(text); err != nil {
		t.Errorf("draft: %v", err)
	}
	if _, err := native.ParseBytes(text, false); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("the same as a manifest: %v, want a refusal", err)
	}
	if _, err := native.ParseDraft(append(text, "serial = 0\n"...)); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("draft with an impossible serial: %v, want a refusal", err)
	}
}

func TestParseRefusesUnverifiedDocument(t *testing.T) {
	if m, err := native.Parse(verify.Document{}, "acme"); m != nil || !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("Parse of the zero Document = %v, %v", m, err)
	}
}

func TestURLSchemes(t *testing.T) {
	with := func(u string) *native.Manifest {
		return &native.Manifest{Releases: []native.Release{{Tool: "zig", Version: "1", Artifacts: []native.Artifact{{URLs: []string{u}}}}}}
	}
	for _, test := range []struct {
		own, url string
		ok       bool
	}{
		{"https", "https://x.example/z", true},
		{"http", "https://x.example/z", true},
		{"file", "https://x.example/z", true},
		{"http", "http://x.example/z", true},
		{"file", "file:///srv/z", true},
		{"https", "http://x.example/z", false},
		{"https", "file:///etc/passwd", false},
		{"http", "file:///etc/passwd", false},
		{"file", "http://x.example/z", false},
	} {
		err := with(test.url).CheckSchemes(test.own)
		if test.ok && err != nil || !test.ok && !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%s in a channel with scheme %s: %v", test.url, test.own, err)
		}
	}
}

// TestEncodeIsReadable checks the text that publishers read and edit.
func TestEncodeIsReadable(t *testing.T) {
	v := vectors(t, "good.txtar")["every-key"]
	m, err := native.ParseBytes(v.text, false)
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	want := `format  = 1
channel = "acme"
serial  = 42
issued  = 2026-11-22T10:00:00Z
expires = 2027-02-20T10:00:00Z

[[release]]
tool     = "zig"
version  = "0.14.0"
labels   = ["stable"]
commands = ["zig", "bin/zig-*"]
witness  = { path = "lib/version.txt", contains = "0.14.0" }

  [[release.artifact]]
  platform  = "linux/amd64"
  path      = "blobs/zig.tar.zst"
  size      = 47082308
  unpacked  = 351272960
  sha256    = "1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f"
  format    = "tar.zst"
  strip     = 1

  [[release.artifact]]
  platform  = "any"
  component = "zig-doc"
  optional  = true
  urls      = ["https://files.acme.example/zig-doc.zip", "https://mirror.acme.example/zig-doc.zip"]
  size      = 1
  sha256    = "1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f"
  format    = "zip"
`
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestEncodeRefusesInvalidManifest(t *testing.T) {
	m := &native.Manifest{Channel: "acme", Releases: []native.Release{{Tool: "zig", Version: "../1"}}}
	if data, err := m.Encode(); data != nil || !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("Encode = %q, %v", data, err)
	}
}

// TestEncodeParseIdentity checks that parsing the encoder's text gives the same
// manifest.
func TestEncodeParseIdentity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawManifest(t)
		data, err := m.Encode()
		if err != nil {
			t.Fatalf("%v\n%+v", err, m)
		}
		back, err := native.ParseBytes(data, m.Serial == 0)
		if err != nil {
			t.Fatalf("%v\n%s", err, data)
		}
		if !reflect.DeepEqual(m, back) {
			t.Fatalf("got  %+v\nwant %+v\n%s", back, m, data)
		}
		again, err := back.Encode()
		if err != nil || !bytes.Equal(data, again) {
			t.Fatalf("second encoding differs (%v):\n%s\n%s", err, data, again)
		}
	})
}

func drawManifest(t *rapid.T) *native.Manifest {
	name := rapid.StringMatching(`[a-z]([a-z0-9_+-][a-z0-9]){0,4}`).Filter(func(s string) bool { return manifests.ValidName(s) == nil })
	version := rapid.StringMatching(`[0-9A-Za-z][0-9A-Za-z~:+_-]{0,8}`).Filter(func(s string) bool { return manifests.ValidVersion(s) == nil })
	local := rapid.StringMatching(`[a-zé "'+%?#:@~]{2,6}(/[^/\\\pC.]{1,5}){0,3}`).Filter(func(s string) bool { return manifests.ValidPath(s) == nil })
	pattern := rapid.StringMatching(`[a-z]{1,4}(/[a-z*?]{1,4}){0,2}`)
	m := &native.Manifest{Channel: name.Draw(t, "channel")}
	if rapid.Bool().Draw(t, "stamped") {
		m.Serial = rapid.Uint64Range(1, 1<<63-1).Draw(t, "serial")
		m.Issued = time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "issued"), rapid.Int64Range(0, 1e9-1).Draw(t, "nanos")).UTC()
		m.Expires = m.Issued.Add(time.Duration(rapid.Int64Range(1, 400*24*3600).Draw(t, "life")) * time.Second)
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "sets") {
		s := manifests.Set{Name: fmt.Sprintf("%s-%d", name.Draw(t, "set"), i)}
		for j := range rapid.IntRange(1, 3).Draw(t, "tools") {
			s.Tools = append(s.Tools, drawSetTool(t, j, name, version))
		}
		m.Sets = append(m.Sets, s)
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "releases") {
		r := native.Release{Tool: name.Draw(t, "tool"), Version: fmt.Sprintf("%d.%s", i, version.Draw(t, "version"))}
		if rapid.Bool().Draw(t, "released") {
			r.Released = time.Unix(rapid.Int64Range(0, max(0, m.Issued.Unix()-1)).Draw(t, "release"), 0).UTC()
		}
		if rapid.Bool().Draw(t, "labelled") {
			r.Labels = []string{fmt.Sprintf("label-%d", i)}
		}
		if c := rapid.SliceOfN(pattern, 0, 3).Draw(t, "commands"); len(c) > 0 {
			r.Commands = c
		}
		if rapid.Bool().Draw(t, "witnessed") {
			r.Witness = &native.Witness{Path: local.Draw(t, "witness"), Contains: rapid.StringN(1, 20, 80).Draw(t, "contains")}
		}
		for j := range rapid.IntRange(1, 3).Draw(t, "artifacts") {
			r.Artifacts = append(r.Artifacts, drawArtifact(t, r.Tool, j, local))
		}
		m.Releases = append(m.Releases, r)
	}
	for range rapid.IntRange(0, 3).Draw(t, "withdrawals") {
		w := verify.Withdrawal{Tool: name.Draw(t, "tool"), Reason: rapid.StringMatching(`[a-zé"'\\]{1,20}( [a-z]{1,20}){0,3}`).Draw(t, "reason"),
			Versions: rapid.SampledFrom([]string{"1.2", "=1.2", "<1.2", ">=1.2 <1.3 || =2.0"}).Draw(t, "versions")}
		if rapid.Bool().Draw(t, "dated") {
			w.Since = time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "since"), 0).UTC()
		}
		if rapid.Bool().Draw(t, "replaced") {
			w.ReplacedBy = "3.0"
		}
		m.Withdrawn = append(m.Withdrawn, w)
	}
	return m
}

func drawSetTool(t *rapid.T, number int, name, version *rapid.Generator[string]) manifests.SetTool {
	tool := manifests.SetTool{Tool: fmt.Sprintf("%s-%d", name.Draw(t, "tool"), number)}
	if rapid.Bool().Draw(t, "of a channel") {
		tool.Channel = name.Draw(t, "channel of tool")
	}
	if rapid.Bool().Draw(t, "versioned") {
		tool.Version = rapid.SampledFrom([]string{"", "="}).Draw(t, "exact") + version.Draw(t, "version of tool")
	}
	if c := rapid.SliceOfN(name, 0, 2).Draw(t, "components"); len(c) > 0 {
		tool.Components = c
	}
	if c := rapid.SliceOfN(name, 0, 2).Draw(t, "targets"); len(c) > 0 {
		tool.Targets = c
	}
	if rapid.Bool().Draw(t, "with a profile") {
		tool.Profile = name.Draw(t, "profile")
	}
	return tool
}

// chunksFor returns chunks for a file of size bytes.
func chunksFor(size int64) verify.Chunks {
	sums := bytes.Repeat([]byte("0123456789abcdef"), 2*int((size+verify.ChunkSize-1)/verify.ChunkSize))
	c, err := verify.ParseChunks(base64.StdEncoding.EncodeToString(sums), size)
	if err != nil {
		panic(err)
	}
	return c
}

func drawArtifact(t *rapid.T, tool string, number int, local *rapid.Generator[string]) native.Artifact {
	a := native.Artifact{
		Component: tool,
		Platform: rapid.SampledFrom([]manifests.Platform{{}, {OS: "linux", Arch: "amd64"},
			{OS: "linux", Arch: "arm64", Libc: "musl"}, {OS: "windows", Arch: "amd64"}}).Draw(t, "platform"),
		Size:     rapid.Int64Range(1, manifests.MaxArtifact).Draw(t, "size"),
		Unpacked: rapid.Int64Range(0, manifests.MaxUnpacked).Draw(t, "unpacked"),
		SHA256:   verify.DigestOf(fmt.Appendf(nil, "%d %s", number, rapid.String().Draw(t, "content"))), // distinct, since equal files must have equal chunks
		Format:   rapid.SampledFrom(manifests.Formats()).Draw(t, "format"),
	}
	if a.Size > verify.ChunkSize && rapid.Bool().Draw(t, "chunked") {
		a.Size = min(a.Size, 99*verify.ChunkSize)
		a.Chunks = chunksFor(a.Size)
	}
	if a.Format != "file" {
		a.Strip = rapid.IntRange(0, 16).Draw(t, "strip")
	}
	if number > 0 {
		a.Component = fmt.Sprintf("%s-%d", "part", number)
		a.Optional = rapid.Bool().Draw(t, "optional")
	}
	if rapid.Bool().Draw(t, "at a path") {
		a.Path = local.Draw(t, "path")
	} else {
		a.URLs = []string{"https://x.example/" + fmt.Sprint(number) + "?q=%20&r"}
	}
	return a
}

// FuzzManifest checks that the parser never panics, that its errors match
// ErrUntrusted, and that every manifest it accepts can be written and parsed again.
func FuzzManifest(f *testing.F) {
	for _, file := range []string{"good.txtar", "bad.txtar"} {
		for _, v := range vectors(f, file) {
			f.Add(v.text)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := native.ParseBytes(data, false)
		if err != nil {
			if !errors.Is(err, verify.ErrUntrusted) {
				t.Fatalf("%v does not match ErrUntrusted", err)
			}
			return
		}
		text, err := m.Encode()
		if err != nil {
			t.Fatalf("parsed, but cannot be encoded: %v", err)
		}
		back, err := native.ParseBytes(text, false)
		if err != nil {
			t.Fatalf("parsed, but not after encoding: %v\n%s", err, text)
		}
		for _, x := range []*native.Manifest{m, back} {
			x.Issued, x.Expires = x.Issued.UTC(), x.Expires.UTC()
		}
		if !reflect.DeepEqual(m, back) {
			t.Fatalf("got  %+v\nwant %+v", back, m)
		}
	})
}
