//go:build interop

package pagetext_test

import (
	"bytes"
	"fmt"
	"image/png"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// served writes the page of w, and serves its directory.
func served(t *testing.T, w *world) (url string) {
	t.Helper()
	server := httptest.NewServer(http.FileServer(http.Dir(w.path)))
	t.Cleanup(server.Close)
	w.put(server.URL + "/")
	return server.URL + "/"
}

// TestInBrowser looks at a page in Chromium: at the widths of a phone and of a desktop, light
// and dark. SCREENSHOTS names a directory that keeps the pictures.
func TestInBrowser(t *testing.T) {
	axe, err := os.ReadFile(os.Getenv("AXE_CORE"))
	if err != nil {
		t.Fatalf("AXE_CORE must name axe.min.js of the npm package axe-core: %v", err)
	}
	at := served(t, rotated(t, time.Now().UTC().Truncate(time.Second)))
	b := startBrowser(t)
	for _, width := range []int{360, 1280} {
		for _, scheme := range []string{"light", "dark"} {
			b.look(width, scheme)
			b.load(at)
			picture := b.screenshot()
			image, err := png.DecodeConfig(bytes.NewReader(picture))
			if err != nil || image.Width != width {
				t.Errorf("%d, %s: the picture is %d wide, %v", width, scheme, image.Width, err)
			}
			if dir := os.Getenv("SCREENSHOTS"); dir != "" {
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d-%s.png", width, scheme)), picture, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			b.eval(string(axe) + "; true")
			b.eval(`document.querySelectorAll("details").forEach((d) => { d.open = true; }); true`)
			// What a table has outside of its window, axe-core cannot judge the contrast of.
			found := fmt.Sprint(b.eval(`axe.run(document).then((r) => r.violations.concat(r.incomplete.filter((v) => v.id !== "color-contrast")).map((v) =>
				v.id + ": " + v.help + "\n" + v.nodes.map((n) => "  " + n.html + " " + n.failureSummary).join("\n")).join("\n") + r.passes.length)`))
			if passes := strings.TrimLeft(found, "0123456789"); passes != "" || len(found) < 2 {
				t.Errorf("%d, %s: axe-core finds\n%s", width, scheme, found)
			}
			if wide := b.eval("document.documentElement.scrollWidth"); wide != float64(width) {
				t.Errorf("%d, %s: the page is %v wide", width, scheme, wide)
			}
			if len(b.reports) > 0 {
				t.Errorf("%d, %s: the console has %q", width, scheme, b.reports)
			}
		}
	}
	if dark := b.eval("getComputedStyle(document.body).backgroundColor"); dark != "rgb(20, 23, 26)" {
		t.Errorf("in the dark, the ground is %v", dark)
	}
}

// TestPolicyHolds checks that the page's policy stops a script, a style and a picture that
// somebody put into it, and that the console tells.
func TestPolicyHolds(t *testing.T) {
	w := rotated(t, time.Now().UTC().Truncate(time.Second))
	at := served(t, w)
	data, err := w.Root.ReadFile("index.html")
	w.must(err)
	bad := strings.Replace(string(data), "<h1>", `<script>document.title = "taken"</script><p id="x" style="color: red" onclick="1">x</p><img src="/channel.toml"><h1>`, 1)
	w.must(w.Root.WriteFile("bad.html", []byte(bad), 0o644))
	b := startBrowser(t)
	b.load(at + "bad.html")
	if title := b.eval("document.title"); title != "acme · kist channel" {
		t.Errorf("a script ran: %v", title)
	}
	if color := b.eval(`getComputedStyle(document.getElementById("x")).color`); color == "rgb(255, 0, 0)" {
		t.Error("a style applied")
	}
	if said := strings.Join(b.reports, "\n"); strings.Count(said, "Content Security Policy") < 3 {
		t.Errorf("the console says only %s", said)
	}
}

// TestLinks follows every link of a page.
func TestLinks(t *testing.T) {
	at := served(t, rotated(t, time.Now().UTC().Truncate(time.Second)))
	b := startBrowser(t)
	b.load(at)
	links := b.eval(`[...document.querySelectorAll("a")].map((a) => a.href)`).([]any)
	outside := 0
	for _, link := range links {
		u, err := url.Parse(link.(string))
		if err != nil || !strings.HasPrefix(link.(string), at) {
			t.Fatalf("link %v, %v", link, err)
		}
		if u.Fragment != "" {
			if b.eval(fmt.Sprintf("document.getElementById(%q) !== null", u.Fragment)) != true {
				t.Errorf("nothing is at #%s", u.Fragment)
			}
			continue
		}
		outside++
		answer, err := http.Get(link.(string))
		if err != nil {
			t.Fatal(err)
		}
		if answer.Body.Close(); answer.StatusCode != http.StatusOK {
			t.Errorf("%v: %s", link, answer.Status)
		}
	}
	if outside < 20 || len(links)-outside < 5 {
		t.Errorf("only %d links, %d of them to files", len(links), outside)
	}
}

// TestSearch types into the search box.
func TestSearch(t *testing.T) {
	at := served(t, rotated(t, time.Now().UTC().Truncate(time.Second)))
	b := startBrowser(t)
	b.load(at)
	search := func(text string) string {
		b.eval(fmt.Sprintf(`{ const box = document.getElementById("find"); box.value = %q; box.dispatchEvent(new Event("input")); } true`, text))
		return fmt.Sprint(b.eval(`[...document.querySelectorAll("details.release")].filter((d) => d.checkVisibility()).map((d) => d.closest("[data-tool]").dataset.tool + " " + d.querySelector(".version").textContent).join(", ")`))
	}
	const start = "protoc-gen-a-very-long-plugin-name-for-grpc 2024.11.30+build.1234567, ripgrep 14.1.1, zig 0.14.1"
	for _, test := range []struct{ text, found string }{
		{"", start},
		{"ZIG 0.14", "zig 0.14.1, zig 0.14.0"},
		{"stable", "zig 0.14.1"},
		{"ripgrep darwin/arm64", "ripgrep 14.1.1, ripgrep 14.0.3"},
		{"nothing has this", ""},
		{"", start},
	} {
		if got := search(test.text); got != test.found {
			t.Errorf("%q finds %q, want %q", test.text, got, test.found)
		}
		if none := b.eval(`document.getElementById("none").checkVisibility()`); none != (test.found == "") {
			t.Errorf("%q: that nothing was found is shown: %v", test.text, none)
		}
	}
}

// TestWithoutScripts reads the page where no script runs.
func TestWithoutScripts(t *testing.T) {
	w := rotated(t, time.Now().UTC().Truncate(time.Second))
	at := served(t, w)
	b := startBrowser(t)
	b.scripts(false)
	b.load(at)
	said := b.shown()
	for _, want := range []string{"zig", "0.14.1", "5 other releases", "linux/arm64", "kist channel add acme " + at, w.key("bob").Primary().Spaced(), "the build server was taken over", "Version 3"} {
		if !strings.Contains(said, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	for _, hidden := range []string{"Search", "has expired"} {
		if strings.Contains(said, hidden) {
			t.Errorf("the page shows %q", hidden)
		}
	}
}

// TestExpired looks at a page whose edition has expired, and at its twin.
func TestExpired(t *testing.T) {
	for name, test := range map[string]struct {
		now     time.Time
		expired bool
	}{"old": {time.Now().AddDate(-1, 0, 0), true}, "fresh": {time.Now(), false}} {
		at := served(t, rotated(t, test.now.UTC().Truncate(time.Second)))
		b := startBrowser(t)
		b.load(at)
		if got := strings.Contains(b.shown(), "this edition has expired"); got != test.expired {
			t.Errorf("%s: the page says so: %v", name, got)
		}
	}
}

// TestByHand runs the commands of the page with curl, gpg, gpgv, grep and sha256sum: on
// what was signed, and on each thing changed.
func TestByHand(t *testing.T) {
	w := rotated(t, time.Now().UTC().Truncate(time.Second))
	at := served(t, w)
	b := startBrowser(t)
	b.load(at)
	blocks := b.eval(`[...document.querySelectorAll("pre")].map((pre) => pre.innerText)`).([]any)
	if len(blocks) != 3 {
		t.Fatalf("%d blocks of commands: %q", len(blocks), blocks)
	}
	show, _, _ := strings.Cut(blocks[0].(string), "\n")
	dir := t.TempDir()
	keys, err := w.Root.ReadFile("publisher.asc")
	w.must(err)
	w.must(os.WriteFile(filepath.Join(dir, "acme.asc"), keys, 0o644))
	run := func(script string) (said string, err error) {
		cmd := exec.Command("bash", "-uc", script)
		home := t.TempDir()
		w.must(os.Chmod(home, 0o700))
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GNUPGHOME="+home, "LC_ALL=C")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	expect := func(script string, wants ...string) {
		t.Helper()
		said, err := run(script)
		for _, want := range wants {
			if err != nil || !strings.Contains(said, want) {
				t.Errorf("%s\nsays %s, %v; want %q", script, said, err, want)
			}
		}
	}
	prove, check := fmt.Sprint(blocks[1]), fmt.Sprint(blocks[2])
	proved := func() {
		t.Helper()
		expect(prove, `Good signature from "bob`, `Good signature from "carol`, "using EDDSA key "+string(w.key("bob").Primary()), "serial  = 1\n", "\nexpires = ")
	}
	checked := func() { t.Helper(); expect(check, "artifact: OK\n", "sha256") }
	expect(show, w.key("bob").Primary().Spaced(), w.key("carol").Primary().Spaced())
	proved()
	checked()
	changed := func(file string) (restore func()) {
		was, err := w.Root.ReadFile(file)
		w.must(err)
		w.must(w.Root.WriteFile(file, append(bytes.Clone(was), '\n'), 0o644))
		return func() { w.must(w.Root.WriteFile(file, was, 0o644)) }
	}
	restore := changed("channel.toml")
	if said, _ := run(prove); strings.Contains(said, "Good signature") || !strings.Contains(said, "BAD signature") {
		t.Errorf("another list: gpgv says %s", said)
	}
	restore()
	proved()
	restore = changed(strings.TrimPrefix(b.eval(`document.querySelector("td a").getAttribute("href")`).(string), "./"))
	if said, _ := run(check); !strings.Contains(said, "artifact: FAILED") {
		t.Errorf("another file: sha256sum says %s", said)
	}
	restore()
	checked()
	w.must(os.WriteFile(filepath.Join(dir, "channel.toml"), []byte("another list\n"), 0o644))
	if said, err := run(check); err == nil {
		t.Errorf("a list without the file: %s", said)
	}
}
