package transport

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/kist-tools/kist/manifests"
)

// A socks is a SOCKS5 proxy (RFC 1928) that forwards every connection to one server.
type socks struct {
	addr  string
	asked chan string // the hosts, each with its port
}

func newSOCKS(t *testing.T, behind string) socks {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	s := socks{listener.Addr().String(), make(chan string, 16)}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go s.serve(conn, behind)
		}
	}()
	return s
}

func (s socks) serve(conn net.Conn, behind string) {
	defer conn.Close()
	read := func(n int) []byte {
		b := make([]byte, n)
		io.ReadFull(conn, b)
		return b
	}
	hello := read(2)
	read(int(hello[1]))
	conn.Write([]byte{5, 0}) // no password
	request := read(4)
	var host string
	switch request[3] {
	case 1:
		host = net.IP(read(4)).String()
	case 3:
		host = string(read(int(read(1)[0])))
	}
	port := read(2)
	s.asked <- fmt.Sprintf("%s:%d", host, int(port[0])<<8|int(port[1]))
	to, err := net.Dial("tcp", behind)
	if err != nil {
		conn.Write([]byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0}) // connection refused
		return
	}
	defer to.Close()
	conn.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	go io.Copy(to, conn)
	io.Copy(conn, to)
}

// env returns a getenv for variables given as NAME=VALUE.
func env(variables ...string) func(string) string {
	return func(name string) string {
		for _, v := range variables {
			if have, value, _ := strings.Cut(v, "="); have == name {
				return value
			}
		}
		return ""
	}
}

func TestProxyFromEnvironment(t *testing.T) {
	const web, plain = "https://example.org/x", "http://example.org/x"
	for _, c := range []struct {
		variables []string
		ref, want string // want: "" for no proxy, "!" for an error
	}{
		{nil, web, ""},
		{[]string{"ALL_PROXY=http://all:1"}, web, "http://all:1"},
		{[]string{"ALL_PROXY=http://all:1"}, plain, "http://all:1"},
		{[]string{"all_proxy=http://all:1"}, web, "http://all:1"},
		{[]string{"all_proxy=socks5h://all:1"}, plain, "socks5h://all:1"},
		{[]string{"ALL_PROXY= socks5://user:p%40ss@all:1/ "}, web, "socks5://user:p%40ss@all:1/"},
		{[]string{"ALL_PROXY=all:1"}, web, "http://all:1"},
		{[]string{"ALL_PROXY=http://all:1", "HTTPS_PROXY=http://own:2"}, web, "http://own:2"},
		{[]string{"ALL_PROXY=http://all:1", "https_proxy=http://own:2"}, web, "http://own:2"},
		{[]string{"ALL_PROXY=http://all:1", "HTTPS_PROXY=http://own:2"}, plain, "http://all:1"},
		{[]string{"ALL_PROXY=http://all:1", "http_proxy=http://own:2"}, plain, "http://own:2"},
		{[]string{"ALL_PROXY=http://all:1", "HTTPS_PROXY="}, web, "http://all:1"},
		{[]string{"ALL_PROXY=http://all:1", "NO_PROXY=example.org"}, web, ""},
		{[]string{"ALL_PROXY=http://all:1", "no_proxy=.org"}, web, ""},
		{[]string{"ALL_PROXY=http://all:1", "NO_PROXY=*"}, web, ""},
		{[]string{"ALL_PROXY=http://all:1", "NO_PROXY=example.com"}, web, "http://all:1"},
		{[]string{"ALL_PROXY=http://all:1"}, "http://127.0.0.1:9/", ""},
		{[]string{"HTTP_PROXY=http://own:2", "REQUEST_METHOD=GET"}, plain, ""},
		{[]string{"HTTP_PROXY=http://own:2", "ALL_PROXY=http://all:1", "REQUEST_METHOD=GET"}, plain, "http://all:1"},
		{[]string{"ALL_PROXY=socks4://all:1"}, web, "!"},
		{[]string{"ALL_PROXY=http://user#secret@all:1"}, web, "!"},
		{[]string{"ALL_PROXY=http://user:secret#x@all:1"}, web, "!"},
		{[]string{"ALL_PROXY=http://user:secret?x@all:1"}, web, "!"},
		{[]string{"ALL_PROXY=http://user:secret/x@all:1"}, web, "!"},
		{[]string{"ALL_PROXY=http://:secret"}, web, "!"},
	} {
		r := httptest.NewRequest("GET", c.ref, nil)
		proxy, err := hidePassword(ProxyFromEnvironment(env(c.variables...)))(r)
		got := ""
		if proxy != nil {
			got = proxy.String()
		}
		if err != nil {
			got = "!"
		}
		if got != c.want || err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q, for %s: %q, %v; want %q", c.variables, c.ref, got, err, c.want)
		}
	}
}

func TestSOCKS(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		io.WriteString(w, text)
	}))
	t.Cleanup(server.Close)
	for _, scheme := range []string{"socks5", "socks5h"} {
		proxy := newSOCKS(t, server.Listener.Addr().String())
		h, _ := web(Config{Proxy: ProxyFromEnvironment(env("ALL_PROXY=" + scheme + "://" + proxy.addr))})
		data, _, err := get(t, h, "http://acme.test/x", 0)
		if err != nil || data != text {
			t.Errorf("%s: %q, %v", scheme, data, err)
			continue
		}
		if host := <-proxy.asked; host != "acme.test:80" {
			t.Errorf("%s: the proxy was asked for %s", scheme, host)
		}
	}
	before := asked.Load()
	refusing := newSOCKS(t, "127.0.0.1:1")
	h, w := web(Config{Proxy: ProxyFromEnvironment(env("ALL_PROXY=socks5://" + refusing.addr))})
	_, _, err := get(t, h, "http://acme.test/x", 0)
	if named, ok := errors.AsType[*ProxyError](err); !ok || named.Host != refusing.addr || len(w.waits) != 3 || asked.Load() != before {
		t.Errorf("a proxy that cannot connect: %v after %d waits", err, len(w.waits))
	}
}

// TestUnreachableProxyIsNamed checks that an unreachable proxy is named without its
// password.
func TestUnreachableProxyIsNamed(t *testing.T) {
	for _, scheme := range []string{"http", "socks5", "socks5h"} {
		for _, ref := range []string{"http://acme.test/x", "https://acme.test/x"} {
			h, w := web(Config{Proxy: ProxyFromEnvironment(env("ALL_PROXY=" + scheme + "://user:secret@127.0.0.1:1"))})
			_, _, err := get(t, h, ref, 0)
			named, ok := errors.AsType[*ProxyError](err)
			if !ok || named.Host != "127.0.0.1:1" || !errors.Is(err, manifests.ErrUnreachable) || strings.Contains(err.Error(), "secret") ||
				!strings.Contains(err.Error(), "proxy 127.0.0.1:1: ") || len(w.waits) != 3 {
				t.Errorf("%s, %s: %v after %d waits", scheme, ref, err, len(w.waits))
			}
		}
	}
	// Without a proxy, none is blamed.
	h, _ := web(Config{Proxy: func(*http.Request) (*url.URL, error) { return nil, nil }})
	_, _, err := get(t, h, "http://127.0.0.1:1/", 0)
	if _, blamed := errors.AsType[*ProxyError](err); blamed || !errors.Is(err, manifests.ErrUnreachable) {
		t.Errorf("no proxy: %v", err)
	}
}
