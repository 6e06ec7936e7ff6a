package transport

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/config"
)

// cdn is a server of documents with ETags that logs its requests: method, path, and
// "if" for a conditional one.
type cdn struct {
	*httptest.Server
	files  map[string]string
	etag   func(path string) string
	log    []string
	answer func(w http.ResponseWriter, r *http.Request) bool // may answer first
}

func newCDN(t *testing.T, files map[string]string) *cdn {
	c := &cdn{files: files}
	c.etag = func(path string) string { return fmt.Sprintf("%q", digestOfText(c.files[path])) }
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		line := r.URL.Path
		if r.Header.Get("If-None-Match") != "" || r.Header.Get("If-Modified-Since") != "" {
			line += " if"
		}
		c.log = append(c.log, line)
		if c.answer != nil && c.answer(w, r) {
			return
		}
		data, ok := c.files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if tag := c.etag(r.URL.Path); tag != "" {
			w.Header().Set("ETag", tag)
		}
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(data))
	}))
	t.Cleanup(c.Close)
	return c
}

func digestOfText(s string) string { return recordName(s)[:16] }

// requests returns what was logged since the last call.
func (c *cdn) requests() string {
	s := strings.Join(c.log, ", ")
	c.log = nil
	return s
}

// A visit is what one command does: it asks for documents through a Revalidating and
// records them.
type visit struct {
	t        *testing.T
	root     *os.Root
	changes  *Revalidating
	recorder *Recorder
}

func newVisit(t *testing.T, root *os.Root, from manifests.Transport) *visit {
	changes := &Revalidating{From: from, Stored: Replay{root, "manifests/acme"}}
	return &visit{t, root, changes, &Recorder{From: changes}}
}

func (v *visit) get(ref string) (string, error) {
	data, err := manifests.ReadAll(v.t.Context(), v.recorder, ref, manifests.MaxManifest)
	return string(data), err
}

// want gets each ref and compares it, and then saves what was recorded.
func (v *visit) want(pairs ...string) *visit {
	v.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if got, err := v.get(pairs[i]); err != nil || got != pairs[i+1] {
			v.t.Errorf("%s: %q, %v; want %q", pairs[i], got, err, pairs[i+1])
		}
	}
	if err := v.recorder.Save(v.root, "manifests/acme"); err != nil {
		v.t.Fatal(err)
	}
	return v
}

func (c *cdn) check(t *testing.T, want string) {
	t.Helper()
	if got := c.requests(); got != want {
		t.Errorf("requests: %s\nwant:     %s", got, want)
	}
}

func TestRevalidating(t *testing.T) {
	c := newCDN(t, map[string]string{"/a": "one", "/a.asc": "sig one", "/keys": "k"})
	root := openRoot(t)
	a, sig, keys := c.URL+"/a", c.URL+"/a.asc", c.URL+"/keys"
	web, _ := web(Config{})

	v := newVisit(t, root, web).want(keys, "k", a, "one", sig, "sig one")
	c.check(t, "/keys, /a, /a.asc")
	if v.changes.Reused() {
		t.Error("an empty cache was used")
	}

	// Unchanged: one conditional request each, and none for the signature.
	v = newVisit(t, root, web).want(keys, "k", a, "one", sig, "sig one")
	c.check(t, "/keys if, /a if")
	if !v.changes.Reused() {
		t.Error("the cache was not used")
	}

	// Asked again in the same command, nothing comes from the cache.
	newVisit(t, root, web).want(a, "one", sig, "sig one", a, "one", sig, "sig one", keys, "k")
	c.check(t, "/a if, /a, /a.asc, /keys if")

	// Changed: the signature is asked for too.
	c.files["/a"], c.files["/a.asc"] = "two", "sig two"
	newVisit(t, root, web).want(a, "two", sig, "sig two", keys, "k")
	c.check(t, "/a if, /a.asc if, /keys if")
	newVisit(t, root, web).want(a, "two", sig, "sig two", keys, "k")
	c.check(t, "/a if, /keys if")

	// Gone.
	delete(c.files, "/keys")
	if _, err := newVisit(t, root, web).get(keys); !errors.Is(err, manifests.ErrNotFound) {
		t.Errorf("a missing document: %v", err)
	}
	if _, err := newVisit(t, root, Offline(nil)).get(a); !errors.Is(err, manifests.ErrOffline) {
		t.Errorf("offline: %v", err)
	}
}

// A document of the cache that was changed has no validators: it is fetched.
func TestRevalidatingNeverUsesADamagedCache(t *testing.T) {
	for name, damage := range map[string]func(root *os.Root, file string) error{
		"changed": func(root *os.Root, file string) error { return root.WriteFile(file, []byte("bad"), 0o600) },
		"shorter": func(root *os.Root, file string) error { return root.WriteFile(file, nil, 0o600) },
		"missing": func(root *os.Root, file string) error { return root.Remove(file) },
	} {
		for _, suffix := range []string{"", ".asc", "index", "validators"} {
			c := newCDN(t, map[string]string{"/a": "one", "/a.asc": "sig"})
			root := openRoot(t)
			web, _ := web(Config{})
			a, sig := c.URL+"/a", c.URL+"/a.asc"
			newVisit(t, root, web).want(a, "one", sig, "sig")
			c.requests()
			file, want := recordName(a+suffix), "/a, /a.asc if"
			switch suffix {
			case ".asc":
				want = "/a if, /a.asc"
			case "index":
				file, want = setIndex, "/a, /a.asc"
			case "validators":
				file, want = setValidators, "/a, /a.asc"
			}
			if err := damage(root, "manifests/acme/"+file); err != nil {
				t.Fatal(err)
			}
			t.Run(name+" "+suffix, func(t *testing.T) {
				v := newVisit(t, root, web)
				if got, err := v.get(a); err != nil || got != "one" {
					t.Errorf("%q, %v", got, err)
				}
				if got, err := v.get(sig); err != nil || got != "sig" {
					t.Errorf("signature %q, %v", got, err)
				}
				c.check(t, want)
			})
		}
	}
}

// An answer that claims no change is only accepted if it was asked for.
func TestUnchangedWithoutValidatorsIsRefused(t *testing.T) {
	c := newCDN(t, map[string]string{"/a": "one"})
	c.answer = func(w http.ResponseWriter, r *http.Request) bool {
		w.WriteHeader(http.StatusNotModified)
		return true
	}
	web, _ := web(Config{})
	root := openRoot(t)
	_, err := newVisit(t, root, web).get(c.URL + "/a")
	status, ok := errors.AsType[*StatusError](err)
	if !ok || status.Code != http.StatusNotModified || !errors.Is(err, manifests.ErrUnreachable) {
		t.Errorf("without a cache: %v", err)
	}
	c.answer = nil
	newVisit(t, root, web).want(c.URL+"/a", "one")
	c.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("If-None-Match") != "" {
			conn, _, _ := w.(http.Hijacker).Hijack()
			io.WriteString(conn, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nother")
			conn.Close()
			return true
		}
		w.WriteHeader(http.StatusNotModified)
		return true
	}
	v := newVisit(t, root, web).want(c.URL+"/a", "one") // its body is not read
	if _, err := v.get(c.URL + "/a"); !errors.Is(err, manifests.ErrUnreachable) {
		t.Errorf("the second time: %v", err)
	}
}

func TestValidatorsOfHeaders(t *testing.T) {
	u, _ := url.Parse("https://user:secret@example.org/a?token=x#y")
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		etag      string
		age       time.Duration // of the document; negative: no Last-Modified
		noDate    bool
		tag, date bool
	}{
		{etag: `"x"`, age: -1, tag: true},
		{etag: `W/"x"`, age: -1, tag: true},
		{etag: `""`, age: -1, tag: true},
		{etag: `"` + strings.Repeat("x", maxValidator-2) + `"`, age: -1, tag: true},
		{etag: `"` + strings.Repeat("x", maxValidator-1) + `"`, age: -1},
		{etag: `"` + strings.Repeat("x", 1<<20) + `"`, age: -1},
		{etag: `x`, age: -1}, {etag: `"x`, age: -1}, {etag: `w/"x"`, age: -1}, {etag: `"`, age: -1},
		{etag: `"a"b"`, age: -1}, {etag: "\"a\x01\"", age: -1}, {etag: `"a b"`, age: -1}, {etag: "\"\u00e9\"", age: -1},
		{age: time.Hour, date: true},
		{age: settled, date: true},
		{age: settled - time.Second}, // it may change again within that second
		{age: time.Hour, noDate: true},
		{etag: `"x"`, age: time.Hour, tag: true, date: true},
	} {
		header := http.Header{}
		if test.etag != "" {
			header.Set("ETag", test.etag)
		}
		if test.age >= 0 {
			header.Set("Last-Modified", now.Add(-test.age).Format(http.TimeFormat))
		}
		if !test.noDate {
			header.Set("Date", now.Format(http.TimeFormat))
		}
		v := readValidators(u, header)
		if (v.ETag != "") != test.tag || (v.LastModified != "") != test.date || v.IsZero() != (!test.tag && !test.date) {
			t.Errorf("%.40v, age %v: %.60v", test.etag, test.age, v)
		}
		if v.IsZero() != (v.Location == "") || v.IsZero() == isUsable(v) || strings.Contains(fmt.Sprint(v), "secret") {
			t.Errorf("%.40v: %.60v", test.etag, v)
		}
	}
}

func FuzzIsETag(f *testing.F) {
	for _, s := range []string{`"x"`, `W/"x"`, `""`, `"`, "\"\n\"", `W/`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if isETag(s) && (len(s) > maxValidator || strings.ContainsAny(s, "\r\n\x00") || strings.Count(s, `"`) != 2) {
			t.Errorf("%q", s)
		}
	})
}

// Validators are shown only to the URL that stated them.
func TestValidatorsStayWithTheirURL(t *testing.T) {
	files := map[string]string{"/a": "one"}
	origin, mirror := newCDN(t, files), newCDN(t, files)
	web, _ := web(Config{})
	root := openRoot(t)
	mirrored := func(to string) *Mirrored {
		c, err := config.Parse("config.toml", "/", []byte("format = 1\n[[mirror]]\nfrom = \""+origin.URL+"/\"\nto = \""+to+"/\"\n"))
		if err != nil {
			t.Fatal(err)
		}
		return &Mirrored{From: web, Config: c}
	}
	newVisit(t, root, mirrored(mirror.URL)).want(origin.URL+"/a", "one")
	newVisit(t, root, mirrored(mirror.URL)).want(origin.URL+"/a", "one")
	mirror.check(t, "/a, /a if")
	origin.check(t, "")

	// The mirror lacks the file: the origin is asked without the mirror's validators.
	mirror.files = nil
	newVisit(t, root, mirrored(mirror.URL)).want(origin.URL+"/a", "one")
	mirror.check(t, "/a if")
	origin.check(t, "/a")
	newVisit(t, root, web).want(origin.URL+"/a", "one")
	origin.check(t, "/a if")

	// A redirect: the validators are those of the URL that it leads to.
	elsewhere := newCDN(t, files)
	origin.answer = func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, elsewhere.URL+r.URL.Path, http.StatusFound)
		return true
	}
	newVisit(t, root, web).want(origin.URL+"/a", "one")
	origin.check(t, "/a if")
	elsewhere.check(t, "/a")
	newVisit(t, root, web).want(origin.URL+"/a", "one")
	origin.check(t, "/a")
	elsewhere.check(t, "/a if")
}

// A set that is saved again unchanged is not written.
func TestSavingTheSameSetChangesNothing(t *testing.T) {
	c := newCDN(t, map[string]string{"/a": "one", "/b": "x"})
	root := openRoot(t)
	web, _ := web(Config{})
	file := "manifests/acme/" + recordName(c.URL+"/a")
	stat := func() os.FileInfo {
		info, err := root.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	newVisit(t, root, web).want(c.URL+"/a", "one", c.URL+"/b", "x")
	before := stat()
	newVisit(t, root, web).want(c.URL+"/a", "one", c.URL+"/b", "x")
	if !os.SameFile(before, stat()) {
		t.Error("it was written again")
	}
	c.files["/b"] = "y"
	newVisit(t, root, web).want(c.URL+"/a", "one", c.URL+"/b", "y")
	if runtime.GOOS != "windows" && !os.SameFile(before, stat()) {
		t.Error("an unchanged file was written again")
	}
	if got, _, err := get(t, Replay{root, "manifests/acme"}, c.URL+"/b", 0); err != nil || got != "y" {
		t.Errorf("a changed set: %q, %v", got, err)
	}
	// A file of the set that was damaged is written again.
	if err := root.WriteFile("manifests/acme/"+recordName(c.URL+"/b"), []byte("z"), 0o600); err != nil {
		t.Fatal(err)
	}
	newVisit(t, root, web).want(c.URL+"/a", "one", c.URL+"/b", "y")
	if got, _, err := get(t, Replay{root, "manifests/acme"}, c.URL+"/b", 0); err != nil || got != "y" {
		t.Errorf("a damaged set: %q, %v", got, err)
	}
}

// A date that somebody on the path invented does not make honest servers confirm what
// they sent: the document is fetched again.
func TestInventedDatesDoNotLast(t *testing.T) {
	attacked := true
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if attacked {
			w.Header().Set("Date", time.Now().AddDate(100, 0, 0).UTC().Format(http.TimeFormat))
			w.Header().Set("Last-Modified", time.Now().AddDate(99, 0, 0).UTC().Format(http.TimeFormat))
			io.WriteString(w, "old")
			return
		}
		http.ServeContent(w, r, "list.json", time.Now().Add(-time.Hour), strings.NewReader("new"))
	}))
	defer server.Close()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	var reused bool
	get := func() string {
		changes := &Revalidating{From: New(Config{Retries: -1}), Stored: Replay{Root: root, Dir: "set"}}
		recorder := &Recorder{From: changes}
		data, err := manifests.ReadAll(t.Context(), recorder, server.URL+"/list.json", 100)
		if err == nil {
			err = recorder.Save(root, "set")
		}
		if err != nil {
			t.Fatal(err)
		}
		reused = changes.Reused()
		return string(data)
	}
	if got := get(); got != "old" {
		t.Fatalf("the attack: %q", got)
	}
	attacked = false
	if got := get(); got != "new" || reused {
		t.Errorf("the honest server: %q, from the cache %v", got, reused)
	}
	if got := get(); got != "new" || !reused {
		t.Errorf("the honest server again: %q, from the cache %v", got, reused)
	}
}
