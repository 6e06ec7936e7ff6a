package transport

import (
	"context"
	"net/http"
	"net/url"
)

// An Authorization is what a request shows to a server that serves only those it knows:
// a user and password, or a token. The zero Authorization is none.
type Authorization struct {
	User, Password string // sent as RFC 7617 says
	Token          string // sent as RFC 6750 says, instead of a user and password
	Source         string // the file that it is from, for messages
}

// A CredentialFunc returns what to show to the server of a URL. It is called for each
// request, and again for each redirect, with the URL that is about to be asked. Its
// errors end the request.
type CredentialFunc func(context.Context, *url.URL) (Authorization, error)

// A LoginFunc returns the user and password that the files of other programs have for a
// repository of the registry at host, zero if none. Its errors end the request.
type LoginFunc func(ctx context.Context, host, repository string) (Authorization, error)

// Logins is how requests find what to show to servers.
type Logins struct {
	Credential CredentialFunc
	Login      LoginFunc
}

// FromURL is the Source of a user and password that the requested URL holds itself.
const FromURL = "the URL"

// authorize returns what to show to the server of u. user is from the ref, nil once a
// redirect has left the origin of the ref; it comes before what Config.Credential knows.
func (h *httpTransport) authorize(ctx context.Context, u *url.URL, user *url.Userinfo) (Authorization, error) {
	if user != nil {
		password, _ := user.Password()
		return Authorization{User: user.Username(), Password: password, Source: FromURL}, nil
	}
	if h.c.Credential == nil {
		return Authorization{}, nil
	}
	a, err := h.c.Credential(ctx, u)
	if err != nil {
		return Authorization{}, &credentialError{err}
	}
	return a, nil
}

// addTo adds a to the headers of a request.
func (a Authorization) addTo(request *http.Request) {
	switch {
	case a.Token != "":
		request.Header.Set("Authorization", "Bearer "+a.Token)
	case a.User != "" || a.Password != "":
		request.SetBasicAuth(a.User, a.Password)
	}
}

// A credentialError is an error of Config.Credential. It is no failure of the network: no
// mirror is asked instead, and nothing is retried.
type credentialError struct{ err error }

func (e *credentialError) Error() string { return e.err.Error() }
func (e *credentialError) Unwrap() error { return e.err }
