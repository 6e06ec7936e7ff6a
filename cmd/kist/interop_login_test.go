//go:build interop

package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The user whom every server of these tests wants.
const loginUser, loginPassword = "joe", "s3cr3t word:@"

// A loginServer serves a directory to those who log in.
type loginServer struct {
	url string
	ca  string // of its certificate; empty for http
}

// TestLogin installs from real servers that want a user and password, named in each of
// the ways that there are.
func TestLogin(t *testing.T) {
	program, acme, dir := build(t), newSigner(t, "ed25519"), commonDir(t)
	byHand(t, dir, acme, 1, 3, "1.0", "1.1")
	for name, start := range map[string]func(*testing.T, string) loginServer{
		"nginx": loginNginx, "apache": loginApache, "caddy": loginCaddy, "haproxy": loginHAProxy, "haproxy over h2": loginHAProxyTLS,
		"varnish": loginVarnish, "varnish before nginx": loginBehindVarnish,
	} {
		t.Run(name, func(t *testing.T) {
			server := start(t, dir)
			at := func(home *home) *home { return home.with("SSL_CERT_FILE=" + server.ca) }
			secret := filepath.Join(commonDir(t), "password")
			write(t, secret, loginPassword+"\n", 0o600)
			for way, use := range map[string]func(t *testing.T, h *home) (url string){
				"config.toml": func(t *testing.T, h *home) string {
					write(t, h.path(".config", "kist", "config.toml"),
						fmt.Sprintf("format = 1\n[[credential]]\nurl = %q\nuser = %q\npassword-file = %q\n", server.url, loginUser, secret), 0o600)
					return server.url
				},
				"helper": func(t *testing.T, h *home) string {
					helper := filepath.Join(h.dir, "helper")
					write(t, helper, fmt.Sprintf("#!/bin/sh\necho username=%s\necho 'password=%s'\n", loginUser, loginPassword), 0o755)
					write(t, h.path(".config", "kist", "config.toml"),
						fmt.Sprintf("format = 1\n[[credential]]\nurl = %q\nhelper = %q\n", server.url, helper), 0o600)
					return server.url
				},
				"netrc": func(t *testing.T, h *home) string {
					write(t, h.path(".netrc"), fmt.Sprintf("machine 127.0.0.1\n\tlogin %s\n\tpassword \"%s\"\n", loginUser, loginPassword), 0o600)
					return server.url
				},
				"the URL": func(t *testing.T, h *home) string {
					return strings.Replace(server.url, "//", "//joe:s3cr3t%20word%3A%40@", 1)
				},
			} {
				t.Run(way, func(t *testing.T) {
					h := newHome(t, program)
					if err := os.MkdirAll(h.path(".config", "kist"), 0o700); err != nil {
						t.Fatal(err)
					}
					url := use(t, h)
					at(h).must("channel", "add", "acme", url, "--key", acme.publicKey(), "-v")
					at(h).must("install", "acme/hello", "-v")
					at(h).must("channel", "refresh", "acme")
					at(h).must("verify", "--evidence")
					withoutSecret(t, h.path(".local"))
					withoutSecret(t, h.path(".cache"))
				})
			}
			// Nobody gets anything without, and the answer says where to name a user.
			h := newHome(t, program)
			answer := at(h).exits(6, "channel", "add", "acme", server.url, "--key", acme.publicKey())
			contains(t, answer.stderr, `answered 401 Unauthorized`)
			contains(t, answer.stderr, `hint: if it wants a password or token, add a \[\[credential\]\] with url = "`+server.url+`" to `)
			write(t, h.path(".netrc"), "machine 127.0.0.1 login joe password wr0ng", 0o600)
			answer = at(h).exits(6, "channel", "add", "acme", server.url, "--key", acme.publicKey())
			contains(t, answer.stderr, `hint: it was shown the user and password of `+h.path(".netrc"))
		})
	}
}

// TestLoginIsNotCached has a cache before a server that wants a login. What the cache was
// shown for one user, or was sent for them, it gives to no other.
func TestLoginIsNotCached(t *testing.T) {
	program, acme, dir := build(t), newSigner(t, "ed25519"), commonDir(t)
	byHand(t, dir, acme, 1, 3, "1.0")
	at := freeAddress(t)
	shown := startNginxWith(t, at, fmt.Sprintf("root %s; auth_basic x; auth_basic_user_file %s;", dir, htpasswd(t)))
	for _, test := range []struct {
		name, vcl string
	}{
		{"varnish as it comes", ""},
		{"with a TTL of an hour", everythingForAnHour},
	} {
		t.Run(test.name, func(t *testing.T) {
			edge := startVarnish(t, "http://"+at+"/", test.vcl)
			known := strings.Replace(edge, "//", "//joe:s3cr3t%20word%3A%40@", 1)
			h := newHome(t, program)
			h.must("channel", "add", "acme", known, "--key", acme.publicKey())
			h.must("install", "acme/hello")
			contains(t, takeFile(t, shown), `(?m)^/channel.toml Basic am9lOnMzY3IzdCB3b3JkOkA=$`)

			// Nobody else gets what the cache fetched for joe, and kist shows no login of its own.
			other := newHome(t, program)
			answer := other.exits(6, "channel", "add", "acme", edge, "--key", acme.publicKey())
			contains(t, answer.stderr, `answered 401 Unauthorized`)
			wrong := strings.Replace(edge, "//", "//joe:wr0ng@", 1)
			answer = other.exits(6, "channel", "add", "acme", wrong, "--key", acme.publicKey())
			contains(t, answer.stderr, `answered 401 Unauthorized`)
			withoutSecret(t, h.path(".cache"))

			// The refusal of one is not kept for another.
			h.must("channel", "refresh", "acme")
			h.must("uninstall", "hello")
			h.must("install", "acme/hello")
		})
	}
}

// TestLoginFollowsNoRedirect checks that a server that sends kist elsewhere does not send
// its password there.
func TestLoginFollowsNoRedirect(t *testing.T) {
	program, acme, dir := build(t), newSigner(t, "ed25519"), commonDir(t)
	byHand(t, dir, acme, 1, 3, "1.0")
	other, first := freeAddress(t), freeAddress(t)
	shownToOther := startNginxWith(t, other, fmt.Sprintf("root %s;", dir))
	shownToFirst := startNginxWith(t, first, fmt.Sprintf("return 302 http://%s$request_uri;", other))
	h := newHome(t, program)
	h.must("channel", "add", "acme", "http://joe:s3cr3t@"+first+"/", "--key", acme.publicKey())
	h.must("install", "acme/hello")
	contains(t, takeFile(t, shownToFirst), `(?m)^/channel.toml Basic am9lOnMzY3IzdA==$`)
	contains(t, takeFile(t, shownToOther), `(?m)^/channel.toml -$`)
	if shown := takeFile(t, shownToOther); strings.Contains(shown, "Basic") {
		t.Errorf("the other server was shown %s", shown)
	}
}

// TestProxyLogin installs by way of squid, which wants a user and password, from a channel
// that wants others.
func TestProxyLogin(t *testing.T) {
	program, acme, dir := build(t), newSigner(t, "ed25519"), commonDir(t)
	byHand(t, dir, acme, 1, 3, "1.0")
	server := loginNginx(t, dir)
	port := server.url[strings.LastIndex(server.url, ":")+1:]
	url := "http://joe:s3cr3t%20word%3A%40@acme.test:" + port

	work, at := commonDir(t), freeAddress(t)
	write(t, filepath.Join(work, "hosts"), "127.0.0.1 acme.test\n", 0o644)
	write(t, filepath.Join(work, "passwords"), "proxy:"+strings.TrimSpace(tool(t, "openssl", "passwd", "-apr1", "p@ss"))+"\n", 0o644)
	if err := os.Chmod(work, 0o777); err != nil { // squid as root becomes another user
		t.Fatal(err)
	}
	conf := filepath.Join(work, "squid.conf")
	write(t, conf, fmt.Sprintf(`
http_port %s
hosts_file %[2]s/hosts
pid_filename %[2]s/pid
access_log none
cache_log %[2]s/cache.log
cache deny all
coredump_dir %[2]s
auth_param basic program /usr/lib/squid/basic_ncsa_auth %[2]s/passwords
auth_param basic children 1
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
`, at, work), 0o644)
	startServer(t, at, "squid", "-N", "-f", conf)

	h := newHome(t, program)
	by := func(user string) *home { return h.with("HTTP_PROXY=http://" + user + at) }
	answer := by("").exits(6, "channel", "add", "acme", url, "--key", acme.publicKey())
	contains(t, answer.stderr, `answered 407 Proxy Authentication Required`)
	contains(t, answer.stderr, `hint: give the proxy's user and password in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY: http://USER:PASSWORD@HOST:PORT`)
	by("proxy:p%40ss@").must("channel", "add", "acme", url, "--key", acme.publicKey())
	by("proxy:p%40ss@").must("install", "acme/hello")
	withoutSecret(t, h.path(".local"))
}

// withoutSecret checks that no file below dir holds the password of these tests.
func withoutSecret(t *testing.T, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		files++
		if text := takeFile(t, path); strings.Contains(text, "s3cr3t") || strings.Contains(text, "am9lOnMzY3IzdC") {
			t.Errorf("%s holds the password", path)
		}
		return nil
	})
	if err != nil || files == 0 {
		t.Errorf("%d files below %s, %v", files, dir, err)
	}
}

// startServer starts a server that listens at an address, and stops it at the end.
func startServer(t *testing.T, address, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			cmd.Process.Kill()
			<-ended
		}
	})
	for range 500 {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	cmd.Process.Kill()
	t.Fatalf("%s does not answer: %v, %s", program, <-ended, output.String())
}

// startNginxWith starts an nginx with these directives for its server, and returns the file
// to which it writes the Authorization of each request.
func startNginxWith(t *testing.T, address, directives string) (shown string) {
	t.Helper()
	work := t.TempDir()
	shown = filepath.Join(work, "shown")
	conf := filepath.Join(work, "nginx.conf")
	write(t, conf, fmt.Sprintf(`
daemon off;
%s
pid %[2]s/pid;
error_log %[2]s/error.log;
events {}
http {
	log_format shown "$request_uri $http_authorization";
	access_log %[2]s/shown shown;
	client_body_temp_path %[2]s/a; proxy_temp_path %[2]s/b; fastcgi_temp_path %[2]s/c; uwsgi_temp_path %[2]s/d; scgi_temp_path %[2]s/e;
	server {
		listen %[3]s;
		%[4]s
	}
}
`, map[bool]string{true: "user root;"}[os.Geteuid() == 0], work, address, directives), 0o644)
	startServer(t, address, "nginx", "-p", work, "-c", conf)
	return shown
}

// htpasswd writes a password file such as nginx and apache read.
func htpasswd(t *testing.T) string {
	t.Helper()
	file := filepath.Join(commonDir(t), "htpasswd")
	write(t, file, loginUser+":"+strings.TrimSpace(tool(t, "openssl", "passwd", "-apr1", loginPassword))+"\n", 0o644)
	return file
}

func loginNginx(t *testing.T, dir string) loginServer {
	at := freeAddress(t)
	startNginxWith(t, at, fmt.Sprintf("root %s; auth_basic x; auth_basic_user_file %s;", dir, htpasswd(t)))
	return loginServer{url: "http://" + at + "/"}
}

func loginApache(t *testing.T, dir string) loginServer {
	work, at := commonDir(t), freeAddress(t)
	modules := ""
	for _, name := range []string{"mpm_event", "authz_core", "authz_user", "authn_core", "authn_file", "auth_basic"} {
		modules += fmt.Sprintf("LoadModule %s_module /usr/lib/apache2/modules/mod_%[1]s.so\n", name)
	}
	conf := filepath.Join(work, "apache.conf")
	write(t, conf, fmt.Sprintf(`%s
ServerRoot %[2]s
ServerName localhost
Listen %[3]s
PidFile %[2]s/pid
ErrorLog %[2]s/error.log
Mutex file:%[2]s
DocumentRoot %[4]s
<Directory %[4]s>
	AuthType Basic
	AuthName x
	AuthUserFile %[5]s
	Require valid-user
</Directory>
`, modules, work, at, dir, htpasswd(t)), 0o644)
	startServer(t, at, "apache2", "-D", "FOREGROUND", "-f", conf)
	return loginServer{url: "http://" + at + "/"}
}

func loginCaddy(t *testing.T, dir string) loginServer {
	work, at := commonDir(t), freeAddress(t)
	hash := strings.TrimSpace(tool(t, "caddy", "hash-password", "--plaintext", loginPassword))
	conf := filepath.Join(work, "Caddyfile")
	write(t, conf, fmt.Sprintf(`{
	admin off
	auto_https off
	storage file_system %[3]s
}
http://%[1]s {
	root * %[2]s
	basicauth {
		%[4]s %[5]s
	}
	file_server
}
`, at, dir, work, loginUser, hash), 0o644)
	startServer(t, at, "caddy", "run", "--adapter", "caddyfile", "--config", conf)
	return loginServer{url: "http://" + at + "/"}
}

// loginHAProxy lets those who log in through to an nginx.
func loginHAProxy(t *testing.T, dir string) loginServer {
	at := freeAddress(t)
	startHAProxy(t, dir, at, at)
	return loginServer{url: "http://" + at + "/"}
}

// loginVarnish is a cache that lets those who log in to it through to an nginx, and keeps
// what that sends. It passes no login on, so that it can keep it for all who log in.
func loginVarnish(t *testing.T, dir string) loginServer {
	behind := freeAddress(t)
	shown := startNginxWith(t, behind, fmt.Sprintf("root %s;", dir))
	login := base64.StdEncoding.EncodeToString([]byte(loginUser + ":" + loginPassword))
	url := startVarnish(t, "http://"+behind+"/", fmt.Sprintf(`
sub vcl_recv {
	if (req.http.Authorization != "Basic %s") { return (synth(401, "Unauthorized")); }
	unset req.http.Authorization;
}
sub vcl_synth {
	if (resp.status == 401) { set resp.http.WWW-Authenticate = "Basic realm=x"; }
}
`, login)+everythingForAnHour)
	t.Cleanup(func() {
		if strings.Contains(takeFile(t, shown), "Basic") {
			t.Error("varnish passed a login on")
		}
	})
	return loginServer{url: url}
}

// loginBehindVarnish is an nginx that wants a login, behind a cache.
func loginBehindVarnish(t *testing.T, dir string) loginServer {
	return loginServer{url: startVarnish(t, loginNginx(t, dir).url, "")}
}

func loginHAProxyTLS(t *testing.T, dir string) loginServer {
	work, at := t.TempDir(), freeAddress(t)
	ca := certificates(t, work)
	both := filepath.Join(work, "both.pem")
	write(t, both, takeFile(t, filepath.Join(work, "server.pem"))+takeFile(t, filepath.Join(work, "server.key")), 0o600)
	startHAProxy(t, dir, at, fmt.Sprintf("%s ssl crt %s alpn h2", at, both))
	return loginServer{url: "https://" + at + "/", ca: ca}
}

func startHAProxy(t *testing.T, dir, at, bind string) {
	t.Helper()
	behind := freeAddress(t)
	startNginxWith(t, behind, fmt.Sprintf("root %s;", dir))
	conf := filepath.Join(commonDir(t), "haproxy.cfg")
	write(t, conf, fmt.Sprintf(`
defaults
	mode http
	timeout connect 5s
	timeout client 30s
	timeout server 30s
userlist people
	user %s insecure-password "%s"
frontend in
	bind %s
	http-request auth unless { http_auth(people) }
	default_backend files
backend files
	server nginx %s
`, loginUser, loginPassword, bind, behind), 0o644)
	startServer(t, at, "haproxy", "-db", "-f", conf)
}
