package transport

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

// ProxyFromEnvironment returns a function that chooses the proxy of a request from a
// user's variables: HTTPS_PROXY for https and HTTP_PROXY for http, ALL_PROXY if the
// scheme's own is not set, and no proxy for the hosts in NO_PROXY or for this machine.
// Lower-case names work too. A proxy is a URL of scheme http, https, socks5 or socks5h
// (with both, the proxy resolves the host name), or HOST:PORT, which means http.
func ProxyFromEnvironment(getenv func(string) string) func(*http.Request) (*url.URL, error) {
	either := func(name string) string {
		return strings.TrimSpace(cmp.Or(getenv(name), getenv(strings.ToLower(name))))
	}
	all, plain := either("ALL_PROXY"), either("HTTP_PROXY")
	if getenv("REQUEST_METHOD") != "" {
		plain = "" // in a CGI program it is the request header Proxy, which a stranger sent
	}
	c := httpproxy.Config{
		HTTPProxy:  cmp.Or(plain, all),
		HTTPSProxy: cmp.Or(either("HTTPS_PROXY"), all),
		NoProxy:    either("NO_PROXY"),
	}
	choose := c.ProxyFunc()
	return func(r *http.Request) (*url.URL, error) {
		proxy, err := choose(r.URL)
		if err != nil || proxy == nil {
			return nil, err
		}
		switch proxy.Scheme {
		case "http", "https", "socks5", "socks5h":
		default:
			return nil, fmt.Errorf("a proxy of scheme %q", proxy.Scheme)
		}
		if proxy.Hostname() == "" || strings.Trim(proxy.Path, "/") != "" || proxy.RawQuery != "" || proxy.Fragment != "" {
			return nil, errors.New("more than the address of a proxy")
		}
		return proxy, nil
	}
}

// hidePassword wraps choose to replace its error for an invalid proxy setting, which
// may repeat the password.
func hidePassword(choose func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	if choose == nil {
		return nil
	}
	return func(r *http.Request) (*url.URL, error) {
		proxy, err := choose(r)
		if err != nil {
			return nil, refusal("the proxy setting is not a URL of scheme http, https, socks5 or socks5h")
		}
		return proxy, nil
	}
}

// ProxyError is returned when a proxy did not connect kist to a host.
type ProxyError struct {
	Host string // the proxy's, with port
	Err  error
}

func (e *ProxyError) Error() string { return fmt.Sprintf("proxy %s: %v", e.Host, e.Err) }
func (e *ProxyError) Unwrap() error { return e.Err }

// blameProxy names the proxy in err if the connection to it, or through it, failed.
func blameProxy(r *http.Request, choose func(*http.Request) (*url.URL, error), err error) error {
	op, ok := errors.AsType[*net.OpError](err)
	if _, named := errors.AsType[*ProxyError](err); named || !ok || onConnection(op) {
		return err
	}
	if proxy, wrong := choose(r); wrong == nil && proxy != nil {
		return &ProxyError{proxy.Host, err}
	}
	return err
}
