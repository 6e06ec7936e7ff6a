package transport_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/config"
	"github.com/kist-tools/kist/manifests/transport"
)

// A site is a server that records what it was asked for.
type site struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
}

func newSite(t *testing.T, serve http.HandlerFunc) *site {
	s := &site{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r.Method+" "+r.URL.RequestURI())
		s.mu.Unlock()
		serve(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *site) takeAsked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) }
}

func fails(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func redirects(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, to+strings.TrimPrefix(r.URL.Path, "/"), http.StatusFound)
	}
}

func mirrored(mirrors ...config.Mirror) *transport.Mirrored {
	return &transport.Mirrored{
		From:   transport.New(transport.Config{Retries: -1, Redials: -1}),
		Config: config.Config{Mirrors: mirrors},
	}
}

func TestMirrorsAreAskedInOrder(t *testing.T) {
	origin := newSite(t, says("origin"))
	empty, broken, denied := newSite(t, fails(404)), newSite(t, fails(500)), newSite(t, fails(403))
	full := newSite(t, says("mirror"))
	for _, c := range []struct {
		name   string
		to     []*site
		only   bool
		want   string // the body, or the error's class
		origin bool   // whether the origin is asked
	}{
		{"the first has it", []*site{full}, false, "mirror", false},
		{"only, and it has it", []*site{full}, true, "mirror", false},
		{"the first lacks it", []*site{empty, full}, false, "mirror", false},
		{"the first is broken", []*site{broken, full}, false, "mirror", false},
		{"the first denies it", []*site{denied, full}, true, "mirror", false},
		{"all lack it", []*site{empty, broken}, false, "origin", true},
		{"only, and it lacks it", []*site{empty}, true, "not found", false},
		{"only, and one is broken", []*site{empty, broken}, true, "unreachable", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := config.Mirror{From: origin.URL + "/", Only: c.only}
			for _, s := range c.to {
				m.To = append(m.To, s.URL+"/below/")
			}
			tr := mirrored(m)
			got, err := manifests.ReadAll(t.Context(), tr, origin.URL+"/dir/file?q", 100)
			switch {
			case c.want == "not found" && errors.Is(err, manifests.ErrNotFound):
			case c.want == "unreachable" && errors.Is(err, manifests.ErrUnreachable) && !errors.Is(err, manifests.ErrNotFound):
			case err != nil || string(got) != c.want:
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
			if asked := origin.takeAsked(); (len(asked) > 0) != c.origin {
				t.Errorf("the origin was asked %q", asked)
			}
			for _, s := range c.to[:1] {
				if asked := s.takeAsked(); !slices.Contains(asked, "GET /below/dir/file?q") {
					t.Errorf("the mirror was asked %q", asked)
				}
			}
			size, err := tr.Size(t.Context(), origin.URL+"/dir/file")
			if c.want == "mirror" && (err != nil || size != 6) {
				t.Errorf("size %d, %v", size, err)
			}
			part, _, err := tr.OpenRange(t.Context(), origin.URL+"/dir/file", 0, 3)
			if err == nil {
				part.Close()
			} else if !errors.Is(err, manifests.ErrNoRange) && c.want == "mirror" {
				t.Errorf("range: %v", err)
			}
			origin.takeAsked()
		})
	}
}

// A redirect to a mirrored place is followed to its mirror, whoever sends it.
func TestRedirectsLeadToMirrors(t *testing.T) {
	storage := newSite(t, says("storage"))
	copied := newSite(t, says("copy of storage"))
	origin := newSite(t, redirects(storage.URL+"/"))
	read := func(t *testing.T, tr manifests.Transport) (string, error) {
		data, err := manifests.ReadAll(t.Context(), tr, origin.URL+"/file", 100)
		return string(data), err
	}
	t.Run("of the origin", func(t *testing.T) {
		got, err := read(t, mirrored(config.Mirror{From: storage.URL + "/", To: []string{copied.URL + "/"}, Only: true}))
		if err != nil || got != "copy of storage" || len(storage.takeAsked()) > 0 {
			t.Errorf("got %q, %v", got, err)
		}
	})
	t.Run("none is mirrored", func(t *testing.T) {
		got, err := read(t, mirrored(config.Mirror{From: "https://elsewhere.example/", To: []string{copied.URL + "/"}, Only: true}))
		if err != nil || got != "storage" {
			t.Errorf("got %q, %v", got, err)
		}
	})
	for _, only := range []bool{true, false} {
		origin.takeAsked()
		back := newSite(t, redirects(origin.URL+"/"))
		got, err := read(t, mirrored(config.Mirror{From: origin.URL + "/", To: []string{back.URL + "/"}, Only: only}))
		if only && (!errors.Is(err, manifests.ErrUnreachable) || len(origin.takeAsked()) > 0) {
			t.Errorf("a mirror leads back to its origin, which must not be asked: %q, %v", got, err)
		}
		if !only && (err != nil || got != "storage") {
			t.Errorf("a mirror leads back to its origin: %q, %v", got, err)
		}
	}
	t.Run("in a circle", func(t *testing.T) {
		var a, b *site
		a = newSite(t, func(w http.ResponseWriter, r *http.Request) { redirects(b.URL+"/b")(w, r) })
		b = newSite(t, func(w http.ResponseWriter, r *http.Request) { redirects(a.URL+"/a")(w, r) })
		tr := mirrored(config.Mirror{From: a.URL + "/", To: []string{a.URL + "/"}}, config.Mirror{From: b.URL + "/", To: []string{b.URL + "/"}})
		if _, err := manifests.ReadAll(t.Context(), tr, a.URL+"/", 100); !errors.Is(err, manifests.ErrUnreachable) {
			t.Errorf("got %v", err)
		}
		if n := len(a.takeAsked()) + len(b.takeAsked()); n > 12 {
			t.Errorf("%d requests", n)
		}
	})
}

func TestMirrorAnswersWhatAnOriginMay(t *testing.T) {
	var lines []string
	origin := newSite(t, says("origin"))
	empty, full := newSite(t, fails(404)), newSite(t, says("mirror"))
	tr := mirrored(config.Mirror{From: origin.URL + "/", To: []string{empty.URL + "/", full.URL + "/"}})
	tr.Detail = func(line string) { lines = append(lines, line) }
	a, err := tr.OpenAnswer(t.Context(), origin.URL+"/file", 0)
	if err != nil || a.Size != 6 {
		t.Fatalf("size %d, %v", a.Size, err)
	}
	a.Body.Close()
	if len(lines) != 1 || !strings.Contains(lines[0], empty.URL+"/file") {
		t.Errorf("told %q", lines)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := tr.Open(ctx, origin.URL+"/file", 0); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if len(empty.takeAsked())+len(full.takeAsked()) > 2 {
		t.Error("went on after the end")
	}
}

// A mirror that is down costs one wait, not one for each file.
func TestMirrorThatIsDownIsAskedLast(t *testing.T) {
	origin := newSite(t, says("origin"))
	gone := newSite(t, fails(404))
	gone.Close()
	var passed int
	tr := mirrored(config.Mirror{From: origin.URL + "/", To: []string{gone.URL + "/"}})
	tr.Detail = func(string) { passed++ }
	for range 3 {
		if got, err := manifests.ReadAll(t.Context(), tr, origin.URL+"/file", 100); err != nil || string(got) != "origin" {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	if passed != 1 {
		t.Errorf("the mirror was passed over %d times, want 1", passed)
	}
	origin.Close()
	_, err := manifests.ReadAll(t.Context(), tr, origin.URL+"/file", 100)
	if !errors.Is(err, manifests.ErrUnreachable) || passed != 3 {
		t.Errorf("with the origin down too, the mirror is asked again: %v, %d", err, passed)
	}
}
