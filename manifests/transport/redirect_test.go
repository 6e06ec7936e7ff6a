package transport

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
)

// serveTLS serves h over https, and returns a pool that trusts it.
func serveTLS(t *testing.T, h http.HandlerFunc) (string, *x509.CertPool) {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	return server.URL, pool
}

func TestRedirects(t *testing.T) {
	hops := func(n int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			var at int
			fmt.Sscanf(r.URL.Path, "/%d", &at)
			if at < n {
				http.Redirect(w, r, fmt.Sprintf("/%d", at+1), []int{301, 302, 303, 307, 308}[at%5])
				return
			}
			io.WriteString(w, text)
		}
	}
	h, w := web(Config{})
	if data, _, err := get(t, h, serve(t, hops(5)), 0); err != nil || data != text {
		t.Errorf("5 redirects: %q, %v", data, err)
	}
	for name, handler := range map[string]http.HandlerFunc{
		"6 redirects": hops(6),
		"loop":        func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, 302) },
		"no location": func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(302) },
		"no host": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "http:///x")
			w.WriteHeader(302)
		},
		"no url": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "http://a b/")
			w.WriteHeader(302)
		},
		"to a file": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "file:///etc/passwd")
			w.WriteHeader(302)
		},
		"to ftp": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "ftp://example.org/x")
			w.WriteHeader(302)
		},
		"opaque": func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Location", "http:x"); w.WriteHeader(302) },
	} {
		if _, _, err := get(t, h, serve(t, handler), 0); !errors.Is(err, manifests.ErrUnreachable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(w.waits) > 0 {
		t.Errorf("%d retries of a permanent failure", len(w.waits))
	}
}

func TestHTTPSStaysHTTPS(t *testing.T) {
	plain := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, text) })
	down, pool := serveTLS(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, plain, 302) })
	h, _ := web(Config{Roots: pool})
	if data, _, err := get(t, h, down, 0); !errors.Is(err, manifests.ErrUnreachable) || !strings.Contains(err.Error(), "from https to http") {
		t.Errorf("https to http: %q, %v", data, err)
	}
	secure, pool := serveTLS(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, text) })
	up := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, secure, 302) })
	h, _ = web(Config{Roots: pool})
	if data, _, err := get(t, h, up, 0); err != nil || data != text {
		t.Errorf("http to https: %q, %v", data, err)
	}
}

func TestPrivateCA(t *testing.T) {
	asked := 0
	ref, pool := serveTLS(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		if r.ProtoMajor != 2 {
			t.Errorf("spoke %s", r.Proto)
		}
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(text))
	})
	h, _ := web(Config{Roots: pool})
	if data, size, err := get(t, h, ref, 4); err != nil || data != text[4:] || size != int64(len(text)) {
		t.Errorf("trusted: %q, %d, %v", data, size, err)
	}
	h, w := web(Config{})
	if _, _, err := get(t, h, ref, 0); !errors.Is(err, manifests.ErrUnreachable) || len(w.waits) > 0 || asked != 1 {
		t.Errorf("not trusted: %v after %d retries", err, len(w.waits))
	}
}

// An origin records the headers that it receives.
type origin struct {
	url  string
	seen []http.Header
}

func newOrigin(t *testing.T, answer http.HandlerFunc) *origin {
	o := &origin{}
	o.url = serve(t, func(w http.ResponseWriter, r *http.Request) {
		o.seen = append(o.seen, r.Header.Clone())
		answer(w, r)
	})
	return o
}

func TestCredentialsStayAtTheirOrigin(t *testing.T) {
	var home, away *origin
	away = newOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, home.url+"/end", 302) // and back again
	})
	home = newOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/start":
			http.Redirect(w, r, "/next", 302)
		case "/next":
			http.Redirect(w, r, strings.Replace(away.url, "//", "//other:password@", 1)+"/x", 302)
		default:
			io.WriteString(w, text)
		}
	})
	h, _ := web(Config{})
	if data, _, err := get(t, h, strings.Replace(home.url, "//", "//user:secret@", 1)+"/start?token", 0); err != nil || data != text {
		t.Fatalf("got %q, %v", data, err)
	}
	const basic = "Basic dXNlcjpzZWNyZXQ="
	var got []string
	for _, h := range append(home.seen, away.seen...) {
		got = append(got, h.Get("Authorization"))
		if h.Get("Referer") != "" || h.Get("Cookie") != "" {
			t.Errorf("told %v", h)
		}
	}
	want := []string{basic, basic, "", ""} // start, next, end; away
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("Authorization %q, want %q", got, want)
	}
}

// tunnel is a proxy that serves https by CONNECT. RFC 9110, section 9.3.6.
func tunnel(t *testing.T, connects *int, code int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		*connects++
		if r.Method != http.MethodConnect || code != 200 {
			w.WriteHeader(code)
			return
		}
		far, err := net.Dial("tcp", r.Host)
		if err != nil {
			t.Error(err)
			return
		}
		defer far.Close()
		near, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer near.Close()
		io.WriteString(near, "HTTP/1.1 200 OK\r\n\r\n")
		go io.Copy(far, near)
		io.Copy(near, far)
	}
}

func TestProxy(t *testing.T) {
	ref, pool := serveTLS(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, text) })
	for _, c := range []struct{ code, connects int }{{200, 1}, {403, 1}, {404, 1}, {407, 1}, {502, 10}} {
		connects := 0
		at, err := url.Parse(serve(t, tunnel(t, &connects, c.code)))
		if err != nil {
			t.Fatal(err)
		}
		at.User = url.UserPassword("user", "secret")
		h, _ := web(Config{Roots: pool, Proxy: http.ProxyURL(at)})
		data, _, err := get(t, h, ref, 0)
		if c.code == 200 && (err != nil || data != text) {
			t.Errorf("through the proxy: %q, %v", data, err)
		}
		if c.code != 200 && (!errors.Is(err, manifests.ErrUnreachable) || errors.Is(err, manifests.ErrNotFound) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("proxy answers %d: %v", c.code, err)
		}
		if c.code != 200 && !strings.Contains(err.Error(), fmt.Sprintf("proxy %s: answered %d", at.Host, c.code)) {
			t.Errorf("proxy answers %d: %v", c.code, err)
		}
		if connects != c.connects {
			t.Errorf("proxy answers %d: asked %d times, want %d", c.code, connects, c.connects)
		}
	}
}

func TestProxyErrorHidesPassword(t *testing.T) {
	h, w := web(Config{Proxy: func(*http.Request) (*url.URL, error) {
		return nil, errors.New(`invalid proxy address "http://user:secret@ host"`)
	}})
	_, _, err := get(t, h, "https://example.org/", 0)
	if !errors.Is(err, manifests.ErrUnreachable) || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "the proxy") || len(w.waits) > 0 {
		t.Errorf("%v after %d retries", err, len(w.waits))
	}
}
