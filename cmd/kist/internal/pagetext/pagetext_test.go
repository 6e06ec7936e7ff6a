package pagetext_test

import (
	"crypto/sha256"
	"encoding/base64"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/kist-tools/kist/cmd/kist/internal/pagetext"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/verify"
)

var update = flag.Bool("update", false, "write testdata")

// day is the time of tests that run without a browser.
func day() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

const at = "https://tools.acme.example/kist/"

// TestGolden compares a page with testdata/page.html, where the keys, which are new each
// time, have their owners' names.
func TestGolden(t *testing.T) {
	w := rotated(t, day())
	got := w.html(at)
	if again := w.html(at); again != got {
		t.Error("two pages of one channel differ")
	}
	for name, key := range w.keys {
		got = strings.ReplaceAll(got, key.Primary().Spaced(), "FINGERPRINT OF "+strings.ToUpper(name))
	}
	const golden = "testdata/page.html"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the page differs from %s; look at the difference after go test -update. It is\n%s", golden, got)
	}
}

// elements returns all elements of a page.
func elements(t *testing.T, page string) (list []*html.Node) {
	t.Helper()
	root, err := html.Parse(strings.NewReader("<!doctype html><html lang=en><head>" + page))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			list = append(list, n)
		}
	}
	return list
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// TestHostile puts markup into every text that a publisher or a key can hold, and checks
// that the page has the same elements as that of an honest channel, and that all of it is
// text.
func TestHostile(t *testing.T) {
	const evil = `</code></style><script>alert(1)</script><img src=x onerror=alert(1)>" onmouseover="alert(1)' {{.}} % &lt;`
	write := func(reason, user, file, command, dir string) string {
		w := newWorld(t, day())
		w.add("zig", "1.0", "zig.tar.gz", "linux/amd64")
		w.add("zig", "1.1", "zig.tar.gz", "linux/amd64")
		_, err := w.Withdraw(verify.Withdrawal{Tool: "zig", Versions: "1.0", Reason: reason})
		w.must(err)
		w.sign("publisher")
		w.edit("zig.tar.gz", file, `["bin/zig"]`, `["`+command+`"]`, `"blobs/`, `"`+dir)
		w.sign("publisher")
		c := w.channel(at)
		// No program makes a certificate with such a user ID, but a publisher can.
		holder := verify.Certificate{UserID: user, Key: verify.Key{Fingerprint: w.key("publisher").Primary(), Revoked: user}}
		c.History = []publish.KeysVersion{{Keys: &native.Keys{Version: 1, Threshold: 1}, Holders: []verify.Certificate{holder}}}
		text, err := pagetext.HTML(c)
		w.must(err)
		return string(text)
	}
	// TOML's literal strings would need other quotes.
	quoted := strings.ReplaceAll(evil, `"`, `\"`)
	name := strings.ReplaceAll(quoted, "/", "")
	honest := write("miscompiles", "publisher", "zig.tar.gz", "bin/zig", "blobs/")
	hostile := write(evil, evil, name, name+"/*", "javascript:alert(1)/")
	shape := func(page string) (shape []string) {
		for _, n := range elements(t, page) {
			one := n.Data
			for _, a := range n.Attr {
				one += " " + a.Key
			}
			shape = append(shape, one)
		}
		return shape
	}
	if got, want := shape(hostile), shape(honest); !slices.Equal(got, want) {
		t.Errorf("the elements are\n%q, want\n%q", got, want)
	}
	text := ""
	for _, n := range elements(t, hostile) {
		if href := attribute(n, "href"); href != "" && !regexp.MustCompile(`^(#|\./|https://)`).MatchString(href) {
			t.Errorf("link %q", href)
		}
		for c := range n.ChildNodes() {
			if c.Type == html.TextNode && n.Data != "script" && n.Data != "style" {
				text += c.Data + "\n"
			}
		}
	}
	if got := strings.Count(text, evil); got != 3 { // the reason, twice, and the user ID
		t.Errorf("the page has the text %d times", got)
	}
	for what, want := range map[string]string{"the file name": strings.ReplaceAll(evil, "/", "")} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not there as text", what)
		}
	}
	if strings.Count(hostile, "<script>") != 1 || strings.Contains(hostile, "onerror=alert(1)>") {
		t.Error("markup came through")
	}
}

// TestLinksOfFiles checks which locations of artifacts become links.
func TestLinksOfFiles(t *testing.T) {
	for _, test := range []struct{ location, link string }{
		{`path     = "blobs/a b/%2f?#zig.tar.gz"`, "./blobs/a%20b/%252f%3F%23zig.tar.gz"},
		{`path     = "javascript:alert(1)"`, "./javascript:alert%281%29"},
		{`urls     = ["https://cdn.acme.example/zig.tar.gz"]`, "https://cdn.acme.example/zig.tar.gz"},
		{`urls     = ["file:///etc/zig.tar.gz"]`, ""},
		{`urls     = ["file:///etc/zig.tar.gz", "https://cdn.acme.example/zig.tar.gz"]`, "https://cdn.acme.example/zig.tar.gz"},
	} {
		w := newWorld(t, day())
		w.add("zig", "1.0", "zig.tar.gz", "linux/amd64")
		w.sign("publisher")
		data, err := w.Root.ReadFile(publish.ManifestFile)
		w.must(err)
		path := regexp.MustCompile(`path *= ".*"`).FindString(string(data))
		w.edit(path, test.location)
		w.sign("publisher")
		link := ""
		for _, n := range elements(t, w.html(at)) {
			if n.Data == "a" && n.Parent.Data == "td" {
				link = attribute(n, "href")
			}
		}
		if link != test.link {
			t.Errorf("%s: link %q, want %q", test.location, link, test.link)
		}
	}
}

// TestPolicy checks that the page's policy has the digests of its style and its script, and
// allows nothing else; and that the page needs nothing else.
func TestPolicy(t *testing.T) {
	policy, texts := "", map[string]string{}
	for _, n := range elements(t, rotated(t, day()).html(at)) {
		if attribute(n, "http-equiv") == "Content-Security-Policy" {
			policy = attribute(n, "content")
		}
		if n.Data == "style" || n.Data == "script" {
			if texts[n.Data] != "" {
				t.Errorf("two elements %s", n.Data)
			}
			texts[n.Data] = n.FirstChild.Data
		}
		for _, a := range n.Attr {
			if a.Key == "src" || a.Key == "style" || strings.HasPrefix(a.Key, "on") || n.Data == "link" || n.Data == "img" || n.Data == "iframe" || n.Data == "form" {
				t.Errorf("element %s has %s=%q", n.Data, a.Key, a.Val)
			}
		}
	}
	digest := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return base64.StdEncoding.EncodeToString(sum[:])
	}
	want := fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; script-src 'sha256-%s'; base-uri 'none'; form-action 'none'", digest(texts["style"]), digest(texts["script"]))
	if policy != want {
		t.Errorf("the policy is %q, want %q", policy, want)
	}
}

// TestSize states how large pages get: one of 500 releases with six files each has less
// than 1.5 MiB, and one of more releases no more.
func TestSize(t *testing.T) {
	c := rotated(t, day()).channel(at)
	r := c.Manifest.Releases[0]
	r.Artifacts = slices.Repeat(r.Artifacts[:1], 6)
	r.Labels = nil
	size := func(releases int, tools int) (bytes, shown int) {
		c.Manifest.Releases = nil
		for n := range releases {
			r.Tool, r.Version = fmt.Sprintf("tool-%d", n%tools), fmt.Sprintf("1.%d.0", n)
			c.Manifest.Releases = append(c.Manifest.Releases, r)
		}
		text, err := pagetext.HTML(c)
		if err != nil {
			t.Fatal(err)
		}
		return len(text), strings.Count(string(text), `<details class="release"`)
	}
	for _, test := range []struct{ releases, tools, shown int }{{500, 40, 500}, {5000, 40, 500}, {499, 1, 499}, {2000, 1000, 500}} {
		bytes, shown := size(test.releases, test.tools)
		t.Logf("%d releases of %d tools: %d bytes", test.releases, test.tools, bytes)
		if bytes > 3<<19 || shown != test.shown {
			t.Errorf("%+v: %d bytes, %d shown", test, bytes, shown)
		}
	}
}

// TestUsualRelease checks which release of a tool is shown first: the one that an install
// without a version gives.
func TestUsualRelease(t *testing.T) {
	w := newWorld(t, day())
	for _, version := range []string{"1.0", "1.1", "1.2", "2.0-rc1"} {
		w.add("zig", version, "zig.tar.gz", "any")
	}
	w.sign("publisher")
	first := func() string {
		return regexp.MustCompile(`open><summary><span class="version">([^<]*)`).FindStringSubmatch(w.html(at))[1]
	}
	if got := first(); got != "1.2" {
		t.Errorf("first is %s", got)
	}
	_, err := w.Withdraw(verify.Withdrawal{Tool: "zig", Versions: "1.2", Reason: "bad"})
	w.must(err)
	w.sign("publisher")
	if got := first(); got != "1.1" {
		t.Errorf("with 1.2 withdrawn, first is %s", got)
	}
	_, err = w.Edit("zig", "1.0", publish.Edit{Labels: []string{"stable"}})
	w.must(err)
	w.sign("publisher")
	if got := first(); got != "1.0" {
		t.Errorf("with a stable 1.0, first is %s", got)
	}
	w.add("zig", "1.3", "zig.tar.gz", "any")
	_, err = w.Edit("zig", "1.1", publish.Edit{Labels: []string{"stable"}})
	w.must(err)
	_, err = w.Withdraw(verify.Withdrawal{Tool: "zig", Versions: "1.1", Reason: "bad"})
	w.must(err)
	w.sign("publisher")
	if got := first(); got != "1.0" { // an install takes an older release than the one it refuses
		t.Errorf("with a stable 1.1 that is withdrawn, first is %s", got)
	}
}

// TestExpiry checks that a page says until when users accept its edition: the earlier of the
// ends of the manifest and of the keys document.
func TestExpiry(t *testing.T) {
	c := rotated(t, day()).channel(at)
	manifest := c.Manifest.Expires
	for _, test := range []struct{ keys, want time.Time }{
		{time.Time{}, manifest}, {manifest.AddDate(0, 0, 1), manifest}, {manifest.AddDate(0, 0, -1), manifest.AddDate(0, 0, -1)},
	} {
		c.Edition.Expires = test.keys
		text, err := pagetext.HTML(c)
		if want := `id="expires" datetime="` + test.want.Format(time.RFC3339); err != nil || !strings.Contains(string(text), want) {
			t.Errorf("keys until %v: no %s, %v", test.keys, want, err)
		}
	}
}

// TestNoConversions checks that no text becomes markup except constants of the package.
func TestNoConversions(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	puts := 0
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		fset := token.NewFileSet()
		syntax, err := parser.ParseFile(fset, file.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(syntax, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			switch f := call.Fun.(type) {
			case *ast.Ident:
				if f.Name == "markup" {
					t.Errorf("%v: a conversion to markup", fset.Position(call.Pos()))
				}
			case *ast.SelectorExpr:
				if f.Sel.Name == "put" {
					puts++
				}
			}
			return true
		})
	}
	if puts < 50 {
		t.Errorf("only %d calls of put were found", puts)
	}
}
