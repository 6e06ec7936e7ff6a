package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/config"
)

// TestCredentialsFollowNoRedirect checks that each server is shown what is for its own
// URL, and that a user in the ref comes first.
func TestCredentialsFollowNoRedirect(t *testing.T) {
	var home, away *origin
	away = newOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/back" {
			http.Redirect(w, r, home.url+"/end", 302)
			return
		}
		io.WriteString(w, text)
	})
	home = newOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, away.url+"/x", 302)
		case "/around":
			http.Redirect(w, r, away.url+"/back", 302)
		case "/other":
			http.Redirect(w, r, "/public", 302)
		default:
			io.WriteString(w, text)
		}
	})
	credential := func(_ context.Context, u *url.URL) (Authorization, error) {
		switch {
		case "http://"+u.Host != home.url || u.Path == "/public":
			return Authorization{}, nil
		case u.Path == "/end":
			return Authorization{User: "joe", Password: "pw"}, nil
		}
		return Authorization{Token: "t0k3n"}, nil
	}
	const token, basic, own = "Bearer t0k3n", "Basic am9lOnB3", "Basic dXNlcjpzZWNyZXQ="
	for path, want := range map[string]struct{ home, away []string }{
		"/start":              {[]string{token}, nil},
		"/away":               {[]string{token}, []string{""}},
		"/around":             {[]string{token, basic}, []string{""}},
		"/other":              {[]string{token, ""}, nil},
		"user:secret@/start":  {[]string{own}, nil},
		"user:secret@/away":   {[]string{own}, []string{""}},
		"user:secret@/other":  {[]string{own, own}, nil},
		"user:secret@/around": {[]string{own, basic}, []string{""}},
	} {
		home.seen, away.seen = nil, nil
		ref := home.url + path
		if user, rest, ok := strings.Cut(path, "@"); ok {
			ref = strings.Replace(home.url, "//", "//"+user+"@", 1) + rest
		}
		h, _ := web(Config{Credential: credential})
		if data, _, err := get(t, h, ref, 0); err != nil || data != text {
			t.Fatalf("%s: %q, %v", path, data, err)
		}
		for _, o := range []struct {
			seen []http.Header
			want []string
		}{{home.seen, want.home}, {away.seen, want.away}} {
			var got []string
			for _, header := range o.seen {
				got = append(got, header.Get("Authorization"))
			}
			if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", o.want) {
				t.Errorf("%s: shown %q, want %q", path, got, o.want)
			}
		}
	}
}

// TestCredentialErrorEndsRequest checks that a missing credential is no failure of the
// network, for which another server would be asked.
func TestCredentialErrorEndsRequest(t *testing.T) {
	asked := 0
	ref := serve(t, func(w http.ResponseWriter, _ *http.Request) { asked++ })
	missing := errors.New("no password")
	h, w := web(Config{Credential: func(context.Context, *url.URL) (Authorization, error) { return Authorization{}, missing }})
	_, _, err := get(t, h, ref, 0)
	if !errors.Is(err, missing) || errors.Is(err, manifests.ErrUnreachable) || asked > 0 || len(w.waits) > 0 {
		t.Errorf("%v, asked %d times, waited %v", err, asked, w.waits)
	}
}

// TestStatusNamesServerAndSource checks what an answer of 401 or 403 says for a hint: who
// gave it, and what was shown to them.
func TestStatusNamesServerAndSource(t *testing.T) {
	away := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) })
	home := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away" {
			http.Redirect(w, r, away+"/x", 302)
			return
		}
		w.WriteHeader(401)
	})
	source := "config.toml"
	credential := func(_ context.Context, u *url.URL) (Authorization, error) {
		if "http://"+u.Host == home {
			return Authorization{Token: "t0k3n", Source: source}, nil
		}
		return Authorization{}, nil
	}
	for ref, want := range map[string]StatusError{
		home + "/x":    {Ref: home + "/x", Code: 401, Server: home, Shown: source},
		home + "/away": {Ref: home + "/away", Code: 403, Server: away},
		strings.Replace(home, "//", "//u:pw@", 1) + "/x": {Ref: home + "/x", Code: 401, Server: home, Shown: FromURL},
	} {
		h, _ := web(Config{Credential: credential})
		_, _, err := get(t, h, ref, 0)
		if status, ok := errors.AsType[*StatusError](err); !ok || !reflect.DeepEqual(*status, want) {
			t.Errorf("%s: %+v, want %+v", ref, err, want)
		}
	}
}

// TestRedirectChoosesNoUser checks that a server which sends kist to another one does not
// choose the user that it is shown, also where the other one has a mirror.
func TestRedirectChoosesNoUser(t *testing.T) {
	away := newOrigin(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) })
	empty := newOrigin(t, func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) })
	home := newOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, strings.Replace(away.url, "//", "//mallory:pw@", 1)+"/x", 302)
	})
	h, _ := web(Config{})
	for _, mirrors := range [][]config.Mirror{nil, {{From: away.url + "/", To: []string{empty.url + "/"}}}} {
		away.seen = nil
		data, _, err := get(t, &Mirrored{From: h, Config: config.Config{Mirrors: mirrors}}, home.url+"/x", 0)
		if err != nil || data != text || len(away.seen) != 1 {
			t.Fatalf("%q, %v, asked %d times", data, err, len(away.seen))
		}
		if shown := away.seen[0].Get("Authorization"); shown != "" {
			t.Errorf("mirrors %v: shown %q", mirrors, shown)
		}
	}
}
