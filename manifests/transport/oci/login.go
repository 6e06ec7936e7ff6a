package oci

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/verify"
)

// A repository is one repository of a registry, as it is asked: with the login that the
// registry wants.
type repository struct {
	t     *Transport
	host  string // of the registry, perhaps with a port
	name  string
	write bool // the login is to allow changes
}

// A shown is what a request shows to one origin. No other origin gets it.
type shown struct {
	origin string // scheme and host
	transport.Authorization
	// only says that other origins, after redirects, are shown nothing at all: not even
	// what the user's settings have for them.
	only bool
}

type shownKey struct{}

// authorize is the CredentialFunc of all requests: what a repository found for the origin
// of u, else what the user's settings have for u.
func (t *Transport) authorize(ctx context.Context, u *url.URL) (transport.Authorization, error) {
	s, ok := ctx.Value(shownKey{}).(shown)
	if ok && s.origin == u.Scheme+"://"+u.Host {
		return s.Authorization, nil
	}
	if t.c.Credential == nil || ok && s.only {
		return transport.Authorization{}, nil
	}
	return t.c.Credential(ctx, u)
}

// do calls ask with the beginning of the repository's URLs, and again with a login if the
// registry wants one, or by http if a registry of this machine speaks that.
func (r repository) do(ctx context.Context, ask func(ctx context.Context, base string) error) error {
	for loggedIn := false; ; {
		origin := r.t.origin(r.host)
		with := ctx
		if a, ok := r.t.login(r); ok {
			with = context.WithValue(ctx, shownKey{}, shown{origin: origin, Authorization: a})
		}
		err := ask(with, origin+"/v2/"+r.name+"/")
		if _, plain := errors.AsType[tls.RecordHeaderError](err); plain && manifests.IsLoopback(r.host) && strings.HasPrefix(origin, "https:") {
			r.t.speakPlainly(r.host)
			continue
		}
		status, refused := errors.AsType[*transport.StatusError](err)
		if refused {
			status.Registry = status.Server == origin
		}
		if loggedIn || !refused || status.Code != http.StatusUnauthorized || status.Server != origin {
			return err
		}
		a, known, failed := r.logIn(ctx, origin, status)
		if failed != nil {
			return failed
		}
		if !known {
			return err
		}
		r.t.storeLogin(r, a)
		loggedIn = true
	}
}

// logIn returns what the registry asks to be shown, after an answer of 401. known is false
// if nothing is known for it that it has not refused.
func (r repository) logIn(ctx context.Context, origin string, refused *transport.StatusError) (a transport.Authorization, known bool, err error) {
	for _, c := range ParseChallenges(refused.Challenges) {
		switch c.Scheme {
		case "bearer":
			a, err := r.fetchToken(ctx, origin, c.Parameters)
			return a, err == nil, err
		case "basic":
			own, err := r.ownLogin(ctx, origin)
			if err != nil || own.User == "" && own.Password == "" || own.Source == refused.Shown {
				return a, false, err
			}
			return own, true, nil
		}
	}
	return a, false, nil
}

// ownLogin returns the user's own login for the registry: that of kist's settings, else
// that of the files of other programs.
func (r repository) ownLogin(ctx context.Context, origin string) (a transport.Authorization, err error) {
	u, err := url.Parse(origin + "/v2/" + r.name + "/")
	if err != nil {
		return a, err
	}
	if r.t.c.Credential != nil {
		a, err = r.t.c.Credential(ctx, u)
	}
	if err == nil && a == (transport.Authorization{}) && r.t.c.Login != nil {
		a, err = r.t.c.Login(ctx, r.host, r.name)
	}
	return a, err
}

// fetchToken asks the server that the registry names for a token for this repository. The
// user's login is shown to it, as the protocol wants: the registry decides
// who checks passwords for it. Nothing else is: the registry gets the token, and a login
// that the user has at another registry must not buy it one there. The server must be asked
// by https, or be on this machine like the registry.
//
// Source: Docker Registry v2 authentication via central service,
// distribution.github.io/distribution/spec/auth/token.
func (r repository) fetchToken(ctx context.Context, origin string, parameters map[string]string) (a transport.Authorization, err error) {
	realm, err := url.Parse(parameters["realm"])
	switch {
	case err != nil || realm.Hostname() == "" || realm.Opaque != "" || realm.User != nil || realm.Fragment != "":
		return a, r.failed("it names no server that gives tokens")
	case realm.Scheme != "https" && (realm.Scheme != "http" || !strings.HasPrefix(origin, "http:") || !manifests.IsLoopback(realm.Host)):
		return a, r.failed("its server for tokens does not speak https: " + manifests.Redact(realm.String()))
	}
	query := realm.Query()
	if service := parameters["service"]; service != "" {
		query.Set("service", service)
	}
	actions := "pull"
	if r.write {
		actions = "pull,push"
	}
	query.Set("scope", "repository:"+r.name+":"+actions)
	realm.RawQuery = query.Encode()
	own, err := r.ownLogin(ctx, origin)
	if err != nil {
		return a, err
	}
	at := realm.Scheme + "://" + realm.Host
	if own.User != "" || own.Password != "" || at != origin { // a token is for the registry itself
		own.Token = ""
	}
	ctx = context.WithValue(ctx, shownKey{}, shown{origin: at, Authorization: own, only: true})
	data, err := manifests.ReadAll(ctx, r.t.web, realm.String(), maxToken)
	if err != nil {
		return a, err
	}
	var answer struct {
		Token  string `json:"token"`
		Access string `json:"access_token"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return a, r.failed("its server for tokens sent something else: " + manifests.Redact(at))
	}
	if answer.Token == "" {
		answer.Token = answer.Access
	}
	if answer.Token == "" || strings.ContainsFunc(answer.Token, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
		return a, r.failed("its server for tokens sent none: " + manifests.Redact(at))
	}
	return transport.Authorization{Token: answer.Token, Source: own.Source}, nil
}

// maxToken is the ceiling on the answer of a server that gives tokens, in bytes.
const maxToken = 64 << 10

func (r repository) failed(why string) error {
	return verify.Errorf(manifests.ErrUnreachable, "%s: %s", r.String(), why)
}

func (r repository) String() string {
	return fmt.Sprintf("%s://%s/%s", manifests.RegistryScheme, r.host, r.name)
}
