package bundle_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/bundle"
	"github.com/kist-tools/kist/verify"
)

// draft returns a draft of a bundle with these texts by URL.
func draft(texts map[string]string) bundle.Draft {
	d := bundle.Draft{Contents: []byte(`{"format":1}`)}
	content := map[verify.Digest]string{}
	for url, text := range texts {
		digest := verify.DigestOf([]byte(text))
		content[digest] = text
		d.Files = append(d.Files, bundle.File{URLs: []string{url}, Digest: digest, Size: int64(len(text)), Artifact: strings.HasSuffix(url, ".tar.gz")})
	}
	d.Open = func(f bundle.File) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(content[f.Digest])), nil
	}
	return d
}

func sample() map[string]string {
	return map[string]string{
		"https://acme.example/channel.toml":           "format = 1\n",
		"https://acme.example/channel.toml.asc":       "a signature",
		"https://acme.example/blobs/hello-1.0.tar.gz": strings.Repeat("an archive ", 200),
		"https://acme.example/copy.tar.gz":            strings.Repeat("an archive ", 200),
		"https://acme.example/empty":                  "",
	}
}

func encode(t interface {
	Helper()
	Fatal(...any)
}, d bundle.Draft) []byte {
	t.Helper()
	var w bytes.Buffer
	n, err := d.WriteTo(&w)
	if err != nil || n != int64(w.Len()) {
		t.Fatal(n, w.Len(), err)
	}
	if d.Size() < n {
		t.Fatal("Size is smaller than what was written", d.Size(), n)
	}
	return w.Bytes()
}

func open(t testing.TB, data []byte) (*bundle.Bundle, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "b.tar")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Open(t.Context(), f)
	if err == nil {
		t.Cleanup(func() { b.Close() })
	}
	return b, err
}

func readAll(t testing.TB, b *bundle.Bundle, ref string, offset int64) string {
	t.Helper()
	body, _, err := b.Open(t.Context(), ref, offset)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func checkSample(t *testing.T, b *bundle.Bundle) {
	t.Helper()
	for url, text := range sample() {
		if got := readAll(t, b, url, 0); got != text {
			t.Errorf("%s: %q", url, got)
		}
	}
	if got := readAll(t, b, "https://user:secret@ACME.example/channel.toml?token=secret", 7); got != "= 1\n" {
		t.Errorf("with a password, a query and an offset: %q", got)
	}
	for ref, want := range map[string]error{
		"https://acme.example/other": manifests.ErrNotFound, "http://acme.example/channel.toml": manifests.ErrNotFound, "nonsense": manifests.ErrNotFound,
	} {
		if _, _, err := b.Open(t.Context(), ref, 0); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", ref, err, want)
		}
	}
	if _, _, err := b.Open(t.Context(), "https://acme.example/empty", 1); !errors.Is(err, manifests.ErrNoRange) {
		t.Errorf("beyond the end: %v", err)
	}
	if len(b.Files) != 4 || string(b.Contents) != `{"format":1}` {
		t.Errorf("%d files, contents %s", len(b.Files), b.Contents)
	}
}

func TestBundle(t *testing.T) {
	data := encode(t, draft(sample()))
	for range 20 { // the order of a map differs
		if !bytes.Equal(encode(t, draft(sample())), data) {
			t.Fatal("the same content gave other bytes")
		}
	}
	b, err := open(t, data)
	if err != nil {
		t.Fatal(err)
	}
	checkSample(t, b)

	// As a directory, as tar wrote it from one, and filled up to 10 KiB.
	root, err := os.OpenRoot(unpack(t, data))
	if err != nil {
		t.Fatal(err)
	}
	b, err = bundle.OpenDir(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	checkSample(t, b)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	list := append([]member{{"./", tar.TypeDir, "", ""}, {"./blobs/", tar.TypeDir, "", ""}, {"./blobs/sha256/", tar.TypeDir, "", ""}}, members(t, data)...)
	for i := range list[3:] {
		list[3+i].name = "./" + list[3+i].name
	}
	b, err = open(t, append(pack(t, list), make([]byte, 10<<10)...))
	if err != nil {
		t.Fatal(err)
	}
	checkSample(t, b)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := b.Open(ended, "https://acme.example/channel.toml", 0); err != nil {
		t.Error(err)
	}
	if body, _, _ := b.Open(ended, "https://acme.example/channel.toml", 0); body != nil {
		if _, err := io.ReadAll(body); !errors.Is(err, context.Canceled) {
			t.Errorf("a read after the end of the context: %v", err)
		}
	}
}

// A member is one entry of a tar file.
type member struct {
	name   string
	kind   byte
	text   string
	target string
}

func members(t *testing.T, data []byte) (list []member) {
	t.Helper()
	r := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Mode != 0o644 || h.Uid != 0 || h.Gid != 0 || h.Uname+h.Gname != "" || h.ModTime.Unix() != 0 {
			t.Errorf("%s: mode %o, owner %d %d %q %q, time %v", h.Name, h.Mode, h.Uid, h.Gid, h.Uname, h.Gname, h.ModTime)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, member{h.Name, h.Typeflag, string(text), h.Linkname})
	}
}

func pack(t *testing.T, list []member) []byte {
	t.Helper()
	var w bytes.Buffer
	out := tar.NewWriter(&w)
	for _, m := range list {
		h := &tar.Header{Name: m.name, Typeflag: m.kind, Linkname: m.target, Mode: 0o600, Uid: 1000, Size: int64(len(m.text))}
		if err := out.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(out, m.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return w.Bytes()
}

func unpack(t *testing.T, data []byte) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, m := range members(t, data) {
		name := filepath.Join(dir, filepath.FromSlash(m.name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(m.text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func hexOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// layout returns the members of a bundle whose manifest and index were changed: each
// replacement is an old text and a new one.
func layout(t *testing.T, inManifest, inIndex []string) []member {
	t.Helper()
	list := members(t, encode(t, draft(sample())))
	var i struct{ Manifests []struct{ Digest string } }
	if err := json.Unmarshal([]byte(list[1].text), &i); err != nil {
		t.Fatal(err)
	}
	old := strings.TrimPrefix(i.Manifests[0].Digest, "sha256:")
	n := slices.IndexFunc(list, func(m member) bool { return strings.HasSuffix(m.name, old) })
	changed := replaced(t, list[n].text, inManifest)
	list[1].text = strings.ReplaceAll(list[1].text, old, hexOf(changed))
	list[1].text = strings.ReplaceAll(list[1].text, fmt.Sprintf(`"size":%d`, len(list[n].text)), fmt.Sprintf(`"size":%d`, len(changed)))
	list[1].text = replaced(t, list[1].text, inIndex)
	list[n] = member{"blobs/sha256/" + hexOf(changed), tar.TypeReg, changed, ""}
	return list
}

func replaced(t *testing.T, text string, pairs []string) string {
	t.Helper()
	for n := 0; n < len(pairs); n += 2 {
		if !strings.Contains(text, pairs[n]) {
			t.Fatalf("%s is not in %s", pairs[n], text)
		}
		text = strings.Replace(text, pairs[n], pairs[n+1], 1)
	}
	return text
}

// TestRefused has what no bundle may be. Its twin is TestBundle.
func TestRefused(t *testing.T) {
	file := func(name, text string) member { return member{name, tar.TypeReg, text, ""} }
	with := func(m ...member) func(*testing.T) []member {
		return func(t *testing.T) []member { return append(layout(t, nil, nil), m...) }
	}
	manifest := func(pairs ...string) func(*testing.T) []member {
		return func(t *testing.T) []member { return layout(t, pairs, nil) }
	}
	index := func(pairs ...string) func(*testing.T) []member {
		return func(t *testing.T) []member { return layout(t, nil, pairs) }
	}
	archive := hexOf(sample()["https://acme.example/copy.tar.gz"])
	for name, test := range map[string]struct {
		make func(*testing.T) []member
		want error
	}{
		"a symbolic link":            {with(member{"blobs/sha256/" + hexOf("x"), tar.TypeSymlink, "", "/etc/passwd"}), verify.ErrUntrusted},
		"a hard link":                {with(member{"blobs/sha256/" + hexOf("x"), tar.TypeLink, "", "index.json"}), verify.ErrUntrusted},
		"a link to a directory":      {with(member{"blobs", tar.TypeSymlink, "", "/etc"}), verify.ErrUntrusted},
		"a device":                   {with(member{"blobs/sha256/" + hexOf("x"), tar.TypeChar, "", ""}), verify.ErrUntrusted},
		"a pipe":                     {with(member{"index.json", tar.TypeFifo, "", ""}), verify.ErrUntrusted},
		"another directory":          {with(member{"blobs/sha512/", tar.TypeDir, "", ""}), verify.ErrUntrusted},
		"a blob twice":               {with(file("blobs/sha256/"+archive, sample()["https://acme.example/copy.tar.gz"])), verify.ErrUntrusted},
		"an index twice":             {with(file("index.json", "{}")), verify.ErrUntrusted},
		"an index twice, with a dot": {with(file("./index.json", "{}")), verify.ErrUntrusted},
		"an additional blob":         {with(file("blobs/sha256/"+hexOf("x"), "x")), verify.ErrUntrusted},
		"a blob of another digest":   {with(file("blobs/sha256/"+hexOf("x"), "y")), verify.ErrUntrusted},
		"a name above":               {with(file("../x", "x")), verify.ErrUntrusted},
		"a name above in blobs":      {with(file("blobs/sha256/../../x", "x")), verify.ErrUntrusted},
		"an absolute name":           {with(file("/index.json", "x")), verify.ErrUntrusted},
		"an absolute blob":           {with(file("/blobs/sha256/"+hexOf("x"), "x")), verify.ErrUntrusted},
		"a name in capitals":         {with(file("blobs/sha256/"+strings.ToUpper(hexOf("x")), "x")), verify.ErrUntrusted},
		"a short name":               {with(file("blobs/sha256/abcd", "x")), verify.ErrUntrusted},
		"another file":               {with(file("README", "x")), verify.ErrUntrusted},
		"a large oci-layout":         {func(t *testing.T) []member { return []member{file("oci-layout", strings.Repeat(" ", 2000))} }, verify.ErrUntrusted},
		"a large index":              {func(t *testing.T) []member { return []member{file("index.json", strings.Repeat(" ", 70_000))} }, verify.ErrUntrusted},
		"an empty layout":            {func(t *testing.T) []member { return []member{file("oci-layout", `{"imageLayoutVersion":"1.0.0"}`)} }, verify.ErrUntrusted},
		"no layout at all":           {func(t *testing.T) []member { return []member{file("go/README", "x")} }, bundle.ErrNotBundle},
		"nothing":                    {func(t *testing.T) []member { return nil }, bundle.ErrNotBundle},
		"no oci-layout":              {func(t *testing.T) []member { return layout(t, nil, nil)[1:] }, verify.ErrUntrusted},
		"another version": {func(t *testing.T) []member {
			return append([]member{file("oci-layout", `{"imageLayoutVersion":"2.0.0"}`)}, layout(t, nil, nil)[1:]...)
		}, verify.ErrUntrusted},
		"an image":               {index(`application/vnd.kist.bundle.v1`, `application/vnd.example.image`), bundle.ErrNotBundle},
		"an image that hides it": {manifest(`"artifactType":"application/vnd.kist.bundle.v1"`, `"artifactType":"application/vnd.example"`), bundle.ErrNotBundle},
		"two manifests":          {index(`"manifests":[`, `"manifests":[{"mediaType":"a","digest":"","size":1},`), bundle.ErrNotBundle},
		"no manifest": {func(t *testing.T) []member {
			l := layout(t, nil, nil)
			l[1].text = `{"schemaVersion":2,"manifests":[]}`
			return l
		}, bundle.ErrNotBundle},
		"an index that is not JSON": {func(t *testing.T) []member { l := layout(t, nil, nil); l[1].text = `{`; return l }, verify.ErrUntrusted},
		"a second value":            {func(t *testing.T) []member { l := layout(t, nil, nil); l[1].text += `{}`; return l }, verify.ErrUntrusted},
		"another schema":            {index(`"schemaVersion":2`, `"schemaVersion":1`), verify.ErrUntrusted},
		"an unknown field":          {index(`"schemaVersion":2`, `"schemaVersion":2,"subject":{}`), verify.ErrUntrusted},
		"another size":              {index(`"size":`, `"size":1`), verify.ErrUntrusted},
		"a negative size":           {index(`"size":`, `"size":-`), verify.ErrUntrusted},
		"a huge manifest":           {index(`"size":`, `"size":99999`), verify.ErrUntrusted},
		"a manifest by SHA-512":     {index(`sha256:`, `sha512:`), verify.ErrUntrusted},
		"an unknown field of it":    {manifest(`"schemaVersion":2`, `"schemaVersion":2,"subject":{}`), verify.ErrUntrusted},
		"another config":            {manifest(`"config":{"mediaType":"application/vnd.oci.empty.v1+json"`, `"config":{"mediaType":"application/vnd.oci.image.config.v1+json"`), verify.ErrUntrusted},
		"another config's data":     {manifest(`"data":"e30="`, `"data":"W10="`), verify.ErrUntrusted},
		"no layers":                 {manifest(`"layers":[`, `"layers":[],"annotations":{},"layers_":[`), verify.ErrUntrusted},
		"no contents":               {manifest(`application/vnd.kist.bundle.contents.v1+json`, `application/vnd.kist.bundle.document.v1`), verify.ErrUntrusted},
		"a layer of another type":   {manifest(`application/vnd.kist.bundle.artifact.v1`, `application/vnd.oci.image.layer.v1.tar`), verify.ErrUntrusted},
		"a layer that is missing":   {manifest(archive, hexOf("x")), verify.ErrUntrusted},
		"a layer of another size":   {manifest(`"size":2200`, `"size":2201`), verify.ErrUntrusted},
		"a layer over the ceiling":  {manifest(`"size":2200`, `"size":9999999999999`), verify.ErrUntrusted},
		"a layer without a URL":     {manifest(`io.github.kist-tools.urls`, `io.github.kist-tools.other`), verify.ErrUntrusted},
		"a URL that is none":        {manifest(`https://acme.example/empty`, `nonsense`), verify.ErrUntrusted},
		"a URL with a password":     {manifest(`https://acme.example/empty`, `https://u:p@acme.example/empty`), verify.ErrUntrusted},
		"a URL with a query":        {manifest(`https://acme.example/empty`, `https://acme.example/empty?x`), verify.ErrUntrusted},
		"a URL twice":               {manifest(`https://acme.example/empty`, `https://acme.example/channel.toml`), verify.ErrUntrusted},
		"URLs in another order":     {manifest(`hello-1.0.tar.gz https://acme.example/copy.tar.gz`, `hello-1.0.tar.gz https://acme.example/aaaa.tar.gz`), verify.ErrUntrusted},
		"too many URLs":             {manifest(`https://acme.example/empty`, manyURLs()), verify.ErrUntrusted},
	} {
		t.Run(name, func(t *testing.T) {
			data := pack(t, test.make(t))
			if _, err := open(t, data); !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
		})
	}
	if _, err := open(t, pack(t, layout(t, nil, nil))); err != nil {
		t.Errorf("the honest twin: %v", err)
	}
	if _, err := open(t, append(encode(t, draft(sample())), "x"...)); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("with something after its end: %v", err)
	}
	if _, err := open(t, append(encode(t, draft(sample())), make([]byte, 2<<20)...)); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("with many zeros after its end: %v", err)
	}
}

func manyURLs() string {
	var all []string
	for n := range 65 {
		all = append(all, fmt.Sprintf("https://acme.example/many/%03d", n))
	}
	return strings.Join(all, " ")
}

// TestDirectoryIsRefused has what the directory of a bundle may not be.
func TestDirectoryIsRefused(t *testing.T) {
	data := encode(t, draft(sample()))
	archive := "blobs/sha256/" + hexOf(sample()["https://acme.example/copy.tar.gz"])
	for name, test := range map[string]struct {
		do   func(root *os.Root) error
		want error
	}{
		"a directory of oras": {func(r *os.Root) error { return r.Mkdir("ingest", 0o700) }, nil},
		"a file in that directory": {func(r *os.Root) error {
			return errors.Join(r.Mkdir("ingest", 0o700), r.WriteFile("ingest/x", nil, 0o600))
		}, verify.ErrUntrusted},
		"a directory in that": {func(r *os.Root) error { return r.MkdirAll("ingest/x", 0o700) }, verify.ErrUntrusted},
		"nothing wrong":       {func(*os.Root) error { return nil }, nil},
		"no oci-layout":       {func(r *os.Root) error { return r.Remove("oci-layout") }, bundle.ErrNotBundle},
		"no index":            {func(r *os.Root) error { return r.Remove("index.json") }, verify.ErrUntrusted},
		"a missing blob":      {func(r *os.Root) error { return r.Remove(archive) }, verify.ErrUntrusted},
		"a link": {func(r *os.Root) error {
			return errors.Join(r.Rename(archive, "blobs/x"), r.Symlink("../x", archive))
		}, verify.ErrUntrusted},
		"a linked directory":     {func(r *os.Root) error { return errors.Join(r.Rename("blobs", "x"), r.Symlink("x", "blobs")) }, verify.ErrUntrusted},
		"another file":           {func(r *os.Root) error { return r.WriteFile("x", nil, 0o600) }, verify.ErrUntrusted},
		"another directory":      {func(r *os.Root) error { return r.Mkdir("x", 0o700) }, verify.ErrUntrusted},
		"a directory as a blob":  {func(r *os.Root) error { return r.Mkdir("blobs/sha256/"+hexOf("x"), 0o700) }, verify.ErrUntrusted},
		"an additional blob":     {func(r *os.Root) error { return r.WriteFile("blobs/sha256/"+hexOf("x"), []byte("x"), 0o600) }, verify.ErrUntrusted},
		"a blob that is changed": {func(r *os.Root) error { return r.WriteFile(archive, []byte("x"), 0o600) }, verify.ErrUntrusted},
		"no blobs":               {func(r *os.Root) error { return r.Rename("blobs/sha256", "blobs/sha1") }, verify.ErrUntrusted},
	} {
		root, err := os.OpenRoot(unpack(t, data))
		if err != nil {
			t.Fatal(err)
		}
		if err := test.do(root); err != nil {
			t.Fatal(err)
		}
		b, err := bundle.OpenDir(t.Context(), root)
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
		if err == nil {
			b.Close()
		}
	}
}

// TestWriteIsRefused: what a bundle cannot hold is not written.
func TestWriteIsRefused(t *testing.T) {
	file := func(url, text string) bundle.File {
		return bundle.File{URLs: []string{url}, Digest: verify.DigestOf([]byte(text)), Size: int64(len(text))}
	}
	for name, change := range map[string]func(*bundle.Draft){
		"a URL with a password":    func(d *bundle.Draft) { d.Files = append(d.Files, file("https://u:p@h.example/", "x")) },
		"one URL for two contents": func(d *bundle.Draft) { d.Files = append(d.Files, file("https://acme.example/empty", "x")) },
		"another content":          func(d *bundle.Draft) { d.Files[0].Digest = verify.DigestOf([]byte("x")) },
		"a shorter content":        func(d *bundle.Draft) { d.Files[0].Size++ },
		"a longer content":         func(d *bundle.Draft) { d.Files[0].Size-- },
		"a file that is gone": func(d *bundle.Draft) {
			d.Open = func(bundle.File) (io.ReadCloser, error) { return nil, fs.ErrNotExist }
		},
		"too many releases": func(d *bundle.Draft) { d.Contents = make([]byte, bundle.MaxContents+1) },
		"too many files": func(d *bundle.Draft) {
			for n := range bundle.MaxFiles + 1 {
				d.Files = append(d.Files, file(fmt.Sprintf("https://h.example/%d", n), fmt.Sprint(n)))
			}
		},
	} {
		d := draft(map[string]string{"https://acme.example/empty": "abc"})
		change(&d)
		if _, err := d.WriteTo(io.Discard); err == nil {
			t.Errorf("%s was written", name)
		}
	}
}

// TestAnyContent writes and reads any files, in any order.
func TestAnyContent(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		texts := map[string]string{}
		for n, text := range rapid.SliceOfN(rapid.String(), 0, 12).Draw(rt, "texts") {
			texts[fmt.Sprintf("https://h.example/%d", n)] = text
		}
		data := encode(rt, draft(texts))
		b, err := open(t, data)
		if err != nil {
			rt.Fatal(err)
		}
		for url, text := range texts {
			if got := readAll(t, b, url, 0); got != text {
				rt.Fatalf("%s: %q, want %q", url, got, text)
			}
		}
	})
}
