package oci_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/manifests/transport/oci"
	"github.com/kist-tools/kist/manifests/transport/oci/ocitest"
	"github.com/kist-tools/kist/verify"
)

// A scene is a registry, and what asks it.
type scene struct {
	*testing.T
	*ocitest.Registry
	at     string // oci://HOST/acme
	origin string
	server *httptest.Server
	config transport.Config
}

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{T: t, Registry: ocitest.New()}
	mux := http.NewServeMux()
	mux.Handle("/v2/", s.Registry)
	mux.HandleFunc("/token", s.ServeToken)
	s.server = httptest.NewServer(mux)
	t.Cleanup(s.server.Close)
	s.origin = s.server.URL
	s.at = "oci://" + s.server.Listener.Addr().String() + "/acme"
	s.config = transport.Config{Version: "test", Wait: func(context.Context, time.Duration) error { return nil }}
	return s
}

func (s *scene) ask() *oci.Transport { return oci.New(s.config) }

func (s *scene) repository() oci.Repository {
	r, err := manifests.ParseRegistryRef(s.at)
	if err != nil {
		s.Fatal(err)
	}
	return s.ask().Repository(r)
}

// publish stores an edition with these documents, whose text is their name and a number.
func (s *scene) publish(n int, names ...string) {
	s.Helper()
	to := s.repository()
	m := manifest()
	empty, data := oci.Empty()
	put := func(d oci.Descriptor, data []byte) {
		digest, err := d.SHA256()
		if err == nil {
			err = to.PutBlob(s.Context(), digest, bytes.NewReader(data), d.Size, func(int64) {})
		}
		if err != nil {
			s.Fatal(err)
		}
	}
	put(empty, data)
	for _, name := range names {
		text := []byte(fmt.Sprint(name, n))
		d := oci.Describe(oci.DocumentType, text)
		d.Annotations = map[string]string{oci.TitleKey: name}
		put(d, text)
		m.Layers = append(m.Layers, d)
	}
	text, _ := json.Marshal(m)
	d := oci.Describe(oci.ManifestType, text)
	d.ArtifactType = oci.ChannelArtifact
	err := to.PutManifest(s.Context(), d.Digest, oci.ManifestType, text)
	if err == nil {
		err = to.PutManifest(s.Context(), "head", oci.IndexType, index(func(x *oci.Index) { x.Manifests[0] = d }))
	}
	if err != nil {
		s.Fatal(err)
	}
	s.Requests()
}

func (s *scene) read(from manifests.Transport, name string) (string, manifests.Validators, error) {
	a, err := manifests.OpenAnswer(s.Context(), from, s.at+":head/"+name, 0)
	if err != nil {
		return "", a.Validators, err
	}
	defer a.Body.Close()
	data, err := io.ReadAll(a.Body)
	return string(data), a.Validators, err
}

// TestOneEdition checks that a command sees one edition of the documents, and asks for the
// tag once.
func TestOneEdition(t *testing.T) {
	s := newScene(t)
	s.publish(1, "channel.toml", "channel.toml.asc")
	from := s.ask()
	one, have, err := s.read(from, "channel.toml")
	if one != "channel.toml1" || err != nil || !have.Snapshot {
		t.Fatalf("%q, %+v, %v", one, have, err)
	}
	if _, _, err := s.read(from, "keys.toml"); !errors.Is(err, manifests.ErrNotFound) {
		t.Errorf("a document that the edition lacks: %v", err)
	}
	asked := s.Requests()
	if len(asked) != 3 { // the tag, the manifest, the document
		t.Errorf("asked %v", asked)
	}
	s.publish(2, "channel.toml", "channel.toml.asc")
	if two, _, err := s.read(from, "channel.toml.asc"); two != "channel.toml.asc1" || err != nil {
		t.Errorf("the signatures of another edition: %q, %v", two, err)
	}
	a, err := from.OpenAnswer(manifests.WithoutCaches(t.Context()), s.at+":head/channel.toml", 8)
	if err != nil {
		t.Fatal(err)
	}
	if data, _ := io.ReadAll(a.Body); string(data) != "toml2" {
		t.Errorf("without caches, from byte 8 on: %q", data)
	}

	// What the caller has is recognized by the edition, with one request.
	s.Requests()
	for _, conditions := range []bool{true, false} {
		s.NoConditions = !conditions
		_, now, err := s.read(s.ask(), "channel.toml")
		if err != nil {
			t.Fatal(err)
		}
		s.Requests()
		again := s.ask()
		for _, name := range []string{"channel.toml", "channel.toml.asc", "keys.toml"} {
			if _, err := again.OpenChanged(t.Context(), s.at+":head/"+name, now); !errors.Is(err, manifests.ErrUnchanged) {
				t.Errorf("conditions %v: %s: %v", conditions, name, err)
			}
		}
		if asked := s.Requests(); len(asked) != 1 {
			t.Errorf("conditions %v: asked %v", conditions, asked)
		}
		// The twin: what the caller lacks is sent.
		if text, _, err := s.read(again, "channel.toml"); text != "channel.toml2" || err != nil {
			t.Errorf("conditions %v: %q, %v", conditions, text, err)
		}
		if a, err := s.ask().OpenChanged(t.Context(), s.at+":head/channel.toml", have); err != nil {
			t.Errorf("conditions %v: an older edition is called unchanged: %v", conditions, err)
		} else {
			a.Body.Close()
		}
	}
}

// TestBlobs checks blobs, their ranges and sizes.
func TestBlobs(t *testing.T) {
	s := newScene(t)
	data := []byte("0123456789")
	d := verify.DigestOf(data)
	if err := s.repository().PutBlob(t.Context(), d, bytes.NewReader(data), 10, func(int64) {}); err != nil {
		t.Fatal(err)
	}
	from, ref := s.ask(), s.at+"@sha256:"+d.Hex()
	read := func(body io.ReadCloser, _ int64, err error) string {
		if err != nil {
			return err.Error()
		}
		defer body.Close()
		data, _ := io.ReadAll(body)
		return string(data)
	}
	if got := read(from.Open(t.Context(), ref, 3)); got != "3456789" {
		t.Errorf("from 3 on: %s", got)
	}
	if got := read(from.OpenRange(t.Context(), ref, 2, 4)); got != "2345" {
		t.Errorf("a range: %s", got)
	}
	if size, err := from.Size(t.Context(), ref); size != 10 || err != nil {
		t.Errorf("size %d, %v", size, err)
	}
	if _, _, err := from.Open(t.Context(), s.at+"@sha256:"+strings.Repeat("0", 64), 0); !errors.Is(err, manifests.ErrNotFound) {
		t.Errorf("a blob that does not exist: %v", err)
	}
	for _, ref := range []string{s.at, s.at + ":head", "https://registry.example/x", "oci://x"} {
		if _, _, err := from.Open(t.Context(), ref, 0); !errors.Is(err, manifests.ErrUnreachable) {
			t.Errorf("%s: %v", ref, err)
		}
	}
}

// TestDocumentsAreChecked checks that a document, and the manifest that names it, must have
// the digests by which they were named.
func TestDocumentsAreChecked(t *testing.T) {
	s := newScene(t)
	s.publish(1, "channel.toml")
	for name, digest := range map[string]string{
		"a document":   oci.Describe("", []byte("channel.toml1")).Digest,
		"the manifest": string(bytes.Split(bytes.SplitN(s.Blob("acme", s.Tag("acme", "head")), []byte(`"digest":"`), 2)[1], []byte(`"`))[0]),
	} {
		was := s.Blob("acme", digest)
		s.Change("acme", digest, bytes.Replace(was, []byte("channel.toml"), []byte("channel.tomb"), 1))
		if got, _, err := s.read(s.ask(), "channel.toml"); !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%s was changed: %q, %v", name, got, err)
		}
		s.Change("acme", digest, was)
		if got, _, err := s.read(s.ask(), "channel.toml"); got != "channel.toml1" || err != nil {
			t.Errorf("%s is as it was: %q, %v", name, got, err)
		}
	}
}

func (s *scene) logIn() {
	s.User, s.Password = "joe", "s3cr3t"
	s.config.Login = func(_ context.Context, host, repository string) (transport.Authorization, error) {
		if "oci://"+host+"/"+repository != s.at {
			s.Errorf("asked for the login of %s, %s", host, repository)
		}
		return transport.Authorization{User: "joe", Password: "s3cr3t", Source: "config.json"}, nil
	}
}

// TestLogin checks to whom logins and tokens are shown.
func TestLogin(t *testing.T) {
	var elsewhere atomic.Int32
	storage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		elsewhere.Add(1)
		if a := r.Header.Get("Authorization"); a != "" {
			t.Errorf("another server was shown %s", a)
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(storage.Close)
	for name, prepare := range map[string]func(*scene){
		"a password": func(*scene) {},
		"a token":    func(s *scene) { s.Realm = s.origin + "/token" },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.logIn()
			prepare(s)
			s.publish(1, "channel.toml")
			if text, _, err := s.read(s.ask(), "channel.toml"); text != "channel.toml1" || err != nil {
				t.Fatalf("%q, %v", text, err)
			}
			if asked := s.Requests(); asked[0].Code != 401 || slices.ContainsFunc(asked[1:], func(r ocitest.Request) bool { return r.Code != 200 }) {
				t.Errorf("asked %+v: the login is asked for once", asked)
			}
			s.Storage = storage.URL
			before := elsewhere.Load()
			_, _, err := s.read(s.ask(), "channel.toml")
			status, ok := errors.AsType[*transport.StatusError](err)
			if !ok || status.Code != 401 || status.Registry || elsewhere.Load() != before+1 {
				t.Errorf("from storage that wants a login of its own: %v, after %d requests", err, elsewhere.Load()-before)
			}
			s.Storage = ""
			s.config.Login = func(context.Context, string, string) (transport.Authorization, error) {
				return transport.Authorization{User: "joe", Password: "wrong", Source: "config.json"}, nil
			}
			_, _, err = s.read(s.ask(), "channel.toml")
			if status, ok := errors.AsType[*transport.StatusError](err); !ok || status.Code != 401 || status.Shown != "config.json" || strings.Contains(err.Error(), "wrong") {
				t.Errorf("a wrong password: %+v", err)
			}
		})
	}
}

// TestRealms checks which servers for tokens are asked.
func TestRealms(t *testing.T) {
	for realm, want := range map[string]string{
		"http://192.0.2.1/token": "does not speak https", "ftp://127.0.0.1/token": "does not speak https", "": "names no server",
		"/token": "names no server", "http://u:p@127.0.0.1/token": "names no server", "https:///token": "names no server",
	} {
		s := newScene(t)
		s.logIn()
		s.Answer = func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("WWW-Authenticate", fmt.Sprintf("Bearer realm=%q", realm))
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		if _, _, err := s.read(s.ask(), "channel.toml"); !errors.Is(err, manifests.ErrUnreachable) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", realm, err, want)
		}
	}
	for answer, want := range map[string]string{"{}": "sent none", "[": "something else", `{"token":"a b"}`: "sent none", `{"token":"a\nb"}`: "sent none"} {
		s := newScene(t)
		s.logIn()
		other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, answer) }))
		s.Realm = other.URL
		if _, _, err := s.read(s.ask(), "channel.toml"); !errors.Is(err, manifests.ErrUnreachable) || !strings.Contains(err.Error(), want) {
			t.Errorf("a token %q: %v, want %s", answer, err, want)
		}
		other.Close()
	}
}

// A registry that names the token server of another registry, or redirects to it, would get
// the token that this server gives for the user's login there. So that server is shown nothing.
func TestTokensOfOthers(t *testing.T) {
	bank := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, _, ok := r.BasicAuth(); ok || r.Header.Get("Authorization") != "" {
			io.WriteString(w, `{"token":"of-the-bank"}`)
			return
		}
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(bank.Close)
	for name, a := range map[string]transport.Authorization{
		"a password": {User: "joe", Password: "s3cr3t", Source: "config.toml"},
		"a token":    {Token: "t0k3n", Source: "config.toml"},
	} {
		for _, redirected := range []bool{false, true} {
			s := newScene(t)
			s.config.Credential = func(_ context.Context, u *url.URL) (transport.Authorization, error) {
				if "http://"+u.Host == bank.URL {
					return a, nil
				}
				return transport.Authorization{}, nil
			}
			var got []string
			s.Answer = func(w http.ResponseWriter, r *http.Request) bool {
				got = append(got, r.Header.Get("Authorization"))
				realm := bank.URL + "/token"
				if redirected {
					realm = s.origin + "/v2/token"
				}
				if r.URL.Path == "/v2/token" {
					http.Redirect(w, r, bank.URL+"/token?"+r.URL.RawQuery, http.StatusTemporaryRedirect)
					return true
				}
				w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm=%q,service="bank"`, realm))
				w.WriteHeader(http.StatusUnauthorized)
				return true
			}
			if _, _, err := s.read(s.ask(), "channel.toml"); err == nil {
				t.Error("a registry that only asks for tokens served a document")
			}
			if len(got) == 0 || slices.ContainsFunc(got, func(shown string) bool { return shown != "" }) {
				t.Errorf("%s, redirected %v: the registry was shown %q", name, redirected, got)
			}
		}
	}
	// The honest twin: the token server of the registry itself, which the user has a login for.
	s := newScene(t)
	s.logIn()
	s.config.Credential = func(_ context.Context, u *url.URL) (transport.Authorization, error) {
		return transport.Authorization{User: "joe", Password: "s3cr3t", Source: "config.toml"}, nil
	}
	s.Realm = s.origin + "/token"
	s.publish(1, "channel.toml")
	if text, _, err := s.read(s.ask(), "channel.toml"); text != "channel.toml1" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}

// TestUploads checks that a large blob arrives in parts, and that an upload that broke goes
// on where the registry allows it.
func TestUploads(t *testing.T) {
	const size = 40 << 20
	data := make([]byte, size)
	rand.NewChaCha8([32]byte{}).Read(data)
	d := verify.DigestOf(data)
	for name, test := range map[string]struct {
		prepare func(*scene)
		most    int64 // bytes that are sent in all
	}{
		"whole":                 {func(*scene) {}, size},
		"broken":                {func(s *scene) { s.Break = 20 << 20 }, size + 16<<20},
		"broken at the end":     {func(s *scene) { s.Break = size - 1 }, size + 16<<20},
		"without chunks":        {func(s *scene) { s.NoChunks = true }, size + 32<<20},
		"by those who log in":   {func(s *scene) { s.logIn() }, size},
		"with a token":          {func(s *scene) { s.logIn(); s.Realm = s.origin + "/token" }, size},
		"broken, without parts": {func(s *scene) { s.NoChunks = true; s.Break = 20 << 20 }, 2*size + 32<<20},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			test.prepare(s)
			from := &counted{Reader: bytes.NewReader(data)}
			last := int64(0)
			if err := s.repository().PutBlob(t.Context(), d, from, size, func(n int64) { last = n }); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(s.Blob("acme", "sha256:"+d.Hex()), data) {
				t.Error("the registry has something else")
			}
			if last != size || from.n.Load() > test.most {
				t.Errorf("told of %d bytes, and read %d, want at most %d", last, from.n.Load(), test.most)
			}
		})
	}
	s := newScene(t)
	if err := s.repository().PutBlob(t.Context(), verify.DigestOf(nil), bytes.NewReader(data), 10, func(int64) {}); !errors.Is(err, oci.ErrRefusedUpload) {
		t.Errorf("a file that changed: %v", err)
	}
}

type counted struct {
	*bytes.Reader
	n atomic.Int64
}

func (c *counted) ReadAt(p []byte, at int64) (int, error) {
	n, err := c.Reader.ReadAt(p, at)
	c.n.Add(int64(n))
	return n, err
}

// TestUploadPlaces checks where a registry may have an upload sent.
func TestUploadPlaces(t *testing.T) {
	var shown []string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown = append(shown, r.Header.Get("Authorization"))
		w.WriteHeader(http.StatusCreated)
	}))
	t.Cleanup(other.Close)
	for place, ok := range map[string]bool{other.URL + "/upload": true, "": false, "ftp://127.0.0.1/x": false, "http://joe:x@127.0.0.1/x": false} {
		s := newScene(t)
		s.logIn()
		// The registry chooses the URL of this request, which changes something, so the
		// user's login for the other server is not for it either.
		s.config.Credential = func(_ context.Context, u *url.URL) (transport.Authorization, error) {
			if "http://"+u.Host == other.URL {
				return transport.Authorization{User: "joe", Password: "other"}, nil
			}
			return transport.Authorization{}, nil
		}
		s.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPost || r.Header.Get("Authorization") == "" {
				return false
			}
			if place != "" {
				w.Header().Set("Location", place)
			}
			w.WriteHeader(http.StatusAccepted)
			return true
		}
		err := s.repository().PutBlob(t.Context(), verify.DigestOf([]byte("x")), strings.NewReader("x"), 1, func(int64) {})
		if (err == nil) != ok {
			t.Errorf("%q: %v", place, err)
		}
	}
	if len(shown) != 1 || shown[0] != "" {
		t.Errorf("another server was shown %q", shown)
	}
}
