package publish_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/verify"
)

func aPage(text string) publish.Page {
	return publish.Page{URL: "https://tools.acme.example/" + fmt.Sprint(len(text)) + "/a&b'/", Text: []byte(text)}
}

// TestPage writes a page, reads back what it is about, and replaces it.
func TestPage(t *testing.T) {
	d := newDesk(t)
	if p, err := d.Page(); err != nil || p.URL != "" {
		t.Errorf("without a page: %+v, %v", p, err)
	}
	for _, text := range []string{"<title>one</title>", "<title>two</title>\n<p>longer", ""} {
		want := aPage(text)
		if _, err := d.PutPage(want, true); err != nil {
			t.Error(err)
		}
		if p, _ := d.Page(); p.URL == want.URL {
			t.Error("a dry run wrote it")
		}
		size, err := d.PutPage(want, false)
		got, err2 := d.Page()
		if err != nil || err2 != nil || got.URL != want.URL || size != int64(len(d.read(publish.PageFile))) {
			t.Errorf("%q: got %+v of %d bytes, %v, %v", text, got, size, err, err2)
		}
		if !strings.HasPrefix(string(d.read(publish.PageFile)), "<!doctype html>\n") {
			t.Errorf("it begins with %.50q", d.read(publish.PageFile))
		}
	}
}

// TestPageOfOthers checks that a file that kist did not write, or that was changed since,
// stays as it is.
func TestPageOfOthers(t *testing.T) {
	d := newDesk(t)
	if _, err := d.PutPage(aPage("<p>one"), false); err != nil {
		t.Fatal(err)
	}
	own := d.read(publish.PageFile)
	refused := func(name string) {
		t.Helper()
		var foreign *publish.PageError
		if _, err := d.PutPage(aPage("<p>two"), false); !errors.As(err, &foreign) || foreign.Kind() != "refused" {
			t.Errorf("%s: got %v", name, err)
		}
		if _, err := d.PutPage(aPage("<p>two"), true); !errors.As(err, &foreign) {
			t.Errorf("%s, in a dry run: got %v", name, err)
		}
		if stale, err := d.HasStalePage(); stale || err != nil {
			t.Errorf("%s: stale: %v, %v", name, stale, err)
		}
	}
	for name, content := range map[string]string{
		"empty":                "",
		"another generator":    "<!doctype html>\n<meta name=\"generator\" content=\"other\">\n",
		"the generator alone":  "<meta name=\"generator\" content=\"kist publish page\">\n",
		"changed in the text":  strings.Replace(string(own), "one", "mine", 1),
		"added at the end":     string(own) + "<p>mine",
		"cut":                  string(own[:len(own)-1]),
		"cut after the head":   string(own[:bytes.Index(own, []byte("kist-url"))]),
		"another digest there": strings.Replace(string(own), "sha256 ", "sha256 0", 1),
	} {
		if err := d.Root.WriteFile(publish.PageFile, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		refused(name)
		if got := string(d.read(publish.PageFile)); got != content {
			t.Errorf("%s: it has now %q", name, got)
		}
	}
	if err := errors.Join(d.Root.Remove(publish.PageFile), d.Root.Symlink("channel.draft.toml", publish.PageFile)); err != nil {
		t.Fatal(err)
	}
	refused("a link")
	if err := errors.Join(d.Root.Remove(publish.PageFile), d.Root.Mkdir(publish.PageFile, 0o755)); err != nil {
		t.Fatal(err)
	}
	refused("a directory")
	if err := errors.Join(d.Root.Remove(publish.PageFile), d.Root.WriteFile(publish.PageFile, own, 0o644)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.PutPage(aPage("<p>two"), false); err != nil {
		t.Errorf("kist's own: %v", err)
	}
	var large *manifests.TooLargeError
	if _, err := d.PutPage(aPage(strings.Repeat("x", publish.MaxPage)), false); !errors.As(err, &large) {
		t.Errorf("a page over the limit: %v", err)
	}
}

// TestAnyPageIsRead is a property: what PutPage wrote, Page reads, whatever the URL.
func TestAnyPageIsRead(t *testing.T) {
	d := newDesk(t)
	rapid.Check(t, func(t *rapid.T) {
		want := publish.Page{URL: rapid.String().Draw(t, "url"), Text: []byte(rapid.String().Draw(t, "text"))}
		if _, err := d.PutPage(want, false); err != nil {
			t.Fatal(err)
		}
		if got, err := d.Page(); err != nil || got.URL != want.URL {
			t.Errorf("got %q, %v; want %q", got.URL, err, want.URL)
		}
	})
}

// FuzzPage reads any file as a page. What is accepted has the digest of all before it.
func FuzzPage(f *testing.F) {
	f.Add([]byte("<!doctype html>\n"))
	f.Add(publish.EncodePage(aPage("<p>one")))
	f.Fuzz(func(t *testing.T, data []byte) {
		if p, err := publish.DecodePage(data); err == nil {
			rest, _, _ := bytes.Cut(data, []byte("<!-- kist publish page"))
			if len(rest) == len(data) || p.Text != nil {
				t.Errorf("accepted %q as %+v", data, p)
			}
		}
	})
}

// TestStalePage checks that verify notes a page of another edition or of other keys, and
// only that.
func TestStalePage(t *testing.T) {
	d := newDesk(t)
	d.add(addition("1.0.0", "any", "one"))
	d.sign()
	put := func() {
		t.Helper()
		if _, err := d.PutPage(aPage("<p>one"), false); err != nil {
			t.Fatal(err)
		}
	}
	put()
	notes := func() string {
		t.Helper()
		report, err := d.verify(d.key)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(report.Notes, "\n")
	}
	if got := notes(); got != "" {
		t.Errorf("fresh: %s", got)
	}
	d.now = d.now.Add(time.Hour)
	d.sign()
	const stale = "index.html shows another edition; kist publish page writes it again"
	if got := notes(); got != stale {
		t.Errorf("stale: %s", got)
	}
	put()
	if _, err := d.ChangeKeys(publish.KeysChange{Keys: [][]byte{d.key.Public(d)}}, d.stamp(), publish.Signature{Key: d.secret}); err != nil {
		t.Fatal(err)
	}
	if got := notes(); !strings.Contains(got, stale) {
		t.Errorf("with other keys: %s", got)
	}
	put()
	if got := notes(); strings.Contains(got, stale) {
		t.Errorf("fresh again: %s", got)
	}
}

// TestHistory checks what is shown of the versions of a channel's keys.
func TestHistory(t *testing.T) {
	d := newDesk(t)
	bob, bobSecret := d.signer("bob")
	d.add(addition("1.0.0", "any", "one"))
	d.sign()
	if list, err := d.History(d.now); err != nil || len(list) != 0 {
		t.Errorf("without keys.toml: %+v, %v", list, err)
	}
	change := func(c publish.KeysChange, by ...*verify.SecretKey) {
		t.Helper()
		for _, key := range by {
			if _, err := d.ChangeKeys(c, d.stamp(), publish.Signature{Key: key}); err != nil {
				t.Fatal(err)
			}
			c = publish.KeysChange{}
		}
	}
	change(publish.KeysChange{Keys: [][]byte{d.key.Public(d)}}, d.secret)
	if _, err := d.Sign(bobSecret, d.stamp()); err == nil {
		t.Error("bob signs before he may")
	}
	change(publish.KeysChange{Keys: [][]byte{d.key.Public(d), bob.Public(d)}, Threshold: 2}, d.secret, bobSecret)
	if _, err := d.Sign(bobSecret, d.stamp()); err != nil {
		t.Fatal(err)
	}
	list, err := d.History(d.now)
	if err != nil || len(list) != 2 || list[0].Version != 2 || list[1].Version != 1 {
		t.Fatalf("%d versions, %v", len(list), err)
	}
	for n, want := range []int{2, 1} {
		if len(list[n].Signers) != want || len(list[n].Holders) != want || list[n].Threshold != want {
			t.Errorf("version %d: %d signers, %d holders, threshold %d; want %d", list[n].Version, len(list[n].Signers), len(list[n].Holders), list[n].Threshold, want)
		}
	}
	// Long after, when the signatures are old, they still were valid then.
	if list, err := d.History(d.now.AddDate(5, 0, 0)); err != nil || len(list[1].Signers) != 1 {
		t.Errorf("years later: %v", err)
	}
	first := d.read("keys/1.toml")
	if err := d.Root.WriteFile("keys/1.toml", append(bytes.Clone(first), '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
	if list, err := d.History(d.now); err != nil || len(list[1].Signers) != 0 {
		t.Errorf("other bytes than were signed: %v", err)
	}
	if err := d.Root.WriteFile("keys/1.toml", d.read(publish.RotationFile), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := d.History(d.now); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("another version under its number: %v", err)
	}
	if err := d.Root.Remove("keys/1.toml"); err != nil {
		t.Fatal(err)
	}
	if list, err := d.History(d.now); err != nil || len(list) != 1 {
		t.Errorf("without version 1: %d versions, %v", len(list), err)
	}
}
