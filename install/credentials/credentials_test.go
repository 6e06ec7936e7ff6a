//go:build unix

package credentials_test

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/credentials"
	"github.com/kist-tools/kist/manifests/config"
	"github.com/kist-tools/kist/manifests/transport"
)

func write(t *testing.T, dir, name, text string, mode os.FileMode) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := errors.Join(os.RemoveAll(file), os.WriteFile(file, []byte(text), mode), os.Chmod(file, mode)); err != nil {
		t.Fatal(err)
	}
	return file
}

func ask(t *testing.T, f *credentials.Finder, ref string) (transport.Authorization, error) {
	t.Helper()
	u, err := url.Parse(ref)
	if err != nil {
		t.Fatal(err)
	}
	return f.For(t.Context(), u)
}

// finder returns a Finder with a netrc file and these credentials of config.toml, and the
// warnings that it gives.
func finder(t *testing.T, netrc string, list ...config.Credential) (*credentials.Finder, *[]string) {
	var warned []string
	for i := range list {
		list[i].File = "/etc/kist/config.toml"
	}
	return &credentials.Finder{
		Config: config.Config{Credentials: list}, Netrc: netrc,
		User: install.Host{EUID: os.Geteuid(), PrivateGroup: os.Getegid()},
		Ask: func(context.Context, string, string, string, []string) ([]byte, error) {
			t.Error("a helper was asked")
			return nil, nil
		},
		Warn: func(text string) { warned = append(warned, text) },
	}, &warned
}

func TestOrder(t *testing.T) {
	dir := t.TempDir()
	netrc := write(t, dir, "netrc", "machine h.example login net password rc\nmachine 127.0.0.1 login near password by\nmachine localhost login near password by\nmachine ::1 login near password by", 0o600)
	f, warned := finder(t, netrc,
		config.Credential{URL: "https://h.example/a/", TokenFile: write(t, dir, "token", "t0k3n\n", 0o600)},
		config.Credential{URL: "https://h.example/a/b/", User: "joe", PasswordFile: write(t, dir, "password", "two words\r\n", 0o600)},
		config.Credential{URL: "http://plain.example/", User: "joe", PasswordFile: filepath.Join(dir, "password")})
	const file = "/etc/kist/config.toml"
	token, password := transport.Authorization{Token: "t0k3n", Source: file}, transport.Authorization{User: "joe", Password: "two words", Source: file}
	near := transport.Authorization{User: "near", Password: "by", Source: netrc}
	for ref, want := range map[string]transport.Authorization{
		"https://h.example/a/x":       token,
		"https://h.example/a/b/x":     password,
		"https://h.example/a/c/../b/": {User: "net", Password: "rc", Source: netrc},
		"https://H.example/":          {User: "net", Password: "rc", Source: netrc},
		"https://h.example:8443/":     {User: "net", Password: "rc", Source: netrc},
		"http://h.example/":           {}, // anybody on the way could read it
		"http://plain.example/":       password,
		"https://plain.example/":      {},
		"https://h.example.evil/a/x":  {},
		"https://other.example/":      {},
		"http://127.0.0.1:80/":        near,
		"http://localhost/":           near,
		"http://[::1]/":               near,
		"http://localhost.evil/":      {},
	} {
		if got, err := ask(t, f, ref); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", ref, got, err, want)
		}
	}
	if len(*warned) > 0 {
		t.Errorf("warned %q", *warned)
	}
}

func TestUnusableFiles(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "secret")
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
		want string
		kind string
	}{
		"readable for everyone": {"s3cr3t", 0o644, "it is readable for everyone", "refused"},
		"writable for everyone": {"s3cr3t", 0o602, "it is writable for everyone", "refused"},
		"empty":                 {"\n", 0o600, "it is empty", "usage"},
		"two lines":             {"s3cr3t\n\n", 0o600, "control character", "usage"},
		"a header":              {"s3cr3t\r\nX: y", 0o600, "control character", "usage"},
		"NUL":                   {"s3cr3t\x00", 0o600, "control character", "usage"},
		"too large":             {strings.Repeat("s3cr3t", 64<<10), 0o600, "larger than the limit", "usage"},
	} {
		t.Run(name, func(t *testing.T) {
			write(t, dir, "secret", c.text, c.mode)
			for _, credential := range []config.Credential{{URL: "https://h/", TokenFile: file}, {URL: "https://h/", User: "joe", PasswordFile: file}} {
				f, _ := finder(t, "", credential)
				got, err := ask(t, f, "https://h/x")
				var broken *credentials.Error
				if !errors.As(err, &broken) || broken.Path != file || broken.Kind() != c.kind || !strings.Contains(err.Error(), c.want) ||
					strings.Contains(err.Error(), "s3cr3t") || got != (transport.Authorization{}) {
					t.Errorf("%+v, %v", got, err)
				}
			}
		})
	}
	write(t, dir, "secret", "two words", 0o600)
	f, _ := finder(t, "", config.Credential{URL: "https://h/", TokenFile: file})
	if _, err := ask(t, f, "https://h/x"); err == nil || !strings.Contains(err.Error(), "it holds more than a token") {
		t.Errorf("a token of two words: %v", err)
	}
}

// TestNetrcWarnings checks that a netrc file that is not used is named, once, and only if it
// could have mattered.
func TestNetrcWarnings(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		text, ref, want string
		mode            os.FileMode
	}{
		"exposed, for this host":    {"machine h login x password y", "https://h/", "is not used: it is readable for everyone (chmod 600 ", 0o644},
		"exposed, for another host": {"machine g login x password y", "https://h/", "", 0o644},
		"exposed, over http":        {"machine h login x password y", "http://h/", "", 0o644},
		"damaged":                   {"machine h password \"y", "https://h/", "is not used: line 1: ", 0o600},
		"too large":                 {strings.Repeat(" ", config.MaxNetrc+1), "https://h/", "is not used: ", 0o600},
	} {
		f, warned := finder(t, write(t, dir, "netrc", c.text, c.mode))
		for range 2 {
			if got, err := ask(t, f, c.ref); err != nil || got != (transport.Authorization{}) {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
		}
		if got := strings.Join(*warned, "\n"); !strings.Contains(got, c.want) || (c.want == "") != (got == "") || len(*warned) > 1 {
			t.Errorf("%s: warned %q, want %q", name, got, c.want)
		}
	}
	f, warned := finder(t, filepath.Join(dir, "none"))
	if got, err := ask(t, f, "https://h/"); err != nil || got != (transport.Authorization{}) || len(*warned) > 0 {
		t.Errorf("no file: %+v, %v, warned %q", got, err, *warned)
	}
}

func TestNetrcFile(t *testing.T) {
	none := func(string) string { return "" }
	set := func(string) string { return "/x/netrc" }
	for _, c := range []struct {
		getenv           func(string) string
		home, goos, want string
	}{
		{set, "/home/u", "linux", "/x/netrc"}, {none, "/home/u", "linux", "/home/u/.netrc"}, {none, "/home/u", "darwin", "/home/u/.netrc"},
		{none, "/home/u", "windows", "/home/u/_netrc"}, {none, "", "linux", ""},
	} {
		if got := credentials.NetrcFile(c.getenv, c.home, c.goos); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestHelperIsAskedOnce(t *testing.T) {
	program := write(t, t.TempDir(), "helper", "#!/bin/sh\n", 0o755)
	f, _ := finder(t, "", config.Credential{URL: "https://h.example:8443/a/b/", Helper: program})
	f.Environ = []string{"HOME=/home/u"}
	asked, failure := 0, error(nil)
	f.Ask = func(_ context.Context, path, arg, input string, environ []string) ([]byte, error) {
		asked++
		if path != program || arg != "get" || input != "protocol=https\nhost=h.example:8443\npath=a/b/\n\n" || !slices.Equal(environ, f.Environ) {
			t.Errorf("asked %s %s with %q in %q", path, arg, input, environ)
		}
		return []byte("username=joe\npassword=s3cr3t\n"), failure
	}
	want := transport.Authorization{User: "joe", Password: "s3cr3t", Source: "/etc/kist/config.toml"}
	for _, ref := range []string{"https://h.example:8443/a/b/c", "https://h.example:8443/a/b/d"} {
		if got, err := ask(t, f, ref); err != nil || got != want {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}

	// So is one that fails, unless the user interrupted it.
	f, _ = finder(t, "", config.Credential{URL: "https://h.example/", Helper: program})
	asked = 0
	f.Ask = func(context.Context, string, string, string, []string) ([]byte, error) {
		asked++
		return []byte("password=s3cr3t"), errors.New("exit status 1")
	}
	u, err := url.Parse("https://h.example/x")
	if err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	if _, err := f.For(ctx, u); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	for range 2 {
		_, err := f.For(t.Context(), u)
		var broken *credentials.Error
		if !errors.As(err, &broken) || broken.Kind() != "unreachable" || !strings.HasSuffix(err.Error(), "helper: exit status 1") {
			t.Errorf("%v", err)
		}
	}
	if asked != 2 {
		t.Errorf("asked %d times", asked)
	}
}

func TestHelpersThatAreNotRun(t *testing.T) {
	dir := t.TempDir()
	for mode, kind := range map[os.FileMode]string{0o644: "usage", 0o777: "refused"} {
		f, _ := finder(t, "", config.Credential{URL: "https://h/", Helper: write(t, dir, "helper", "#!/bin/sh\n", mode)})
		_, err := ask(t, f, "https://h/x")
		var broken *credentials.Error
		if !errors.As(err, &broken) || broken.Kind() != kind || !broken.Helper {
			t.Errorf("mode %v: %v", mode, err)
		}
	}
	f, _ := finder(t, "", config.Credential{URL: "https://h/", Helper: write(t, dir, "helper", "#!/bin/sh\n", 0o755)})
	f.Own = []string{dir}
	if _, err := ask(t, f, "https://h/x"); err == nil || !strings.Contains(err.Error(), "kist installed it") {
		t.Errorf("an installed helper: %v", err)
	}
}

func TestHelperEnviron(t *testing.T) {
	got := credentials.HelperEnviron([]string{"HOME=/home/u", "PATH=/x", "LD_PRELOAD=/evil.so", "GITHUB_TOKEN=x", "XDG_RUNTIME_DIR=/run/u"}, "/usr/bin")
	if want := []string{"PATH=/usr/bin", "HOME=/home/u", "XDG_RUNTIME_DIR=/run/u"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestParseAnswer(t *testing.T) {
	for out, want := range map[string]string{
		"username=joe\npassword=s3cr3t\n":                            "joe s3cr3t",
		"protocol=https\r\nusername=joe\r\npassword=a=b\r\n\r\nrest": "joe a=b",
		"password=s3cr3t": " s3cr3t",
	} {
		user, password, err := credentials.ParseAnswer(out)
		if got := user + " " + password; err != nil || got != want {
			t.Errorf("%q: %q, %v", out, got, err)
		}
	}
	for _, out := range []string{"", "\npassword=s3cr3t", "username=joe\n", "password=\n", "s3cr3t\n", "quit=1\npassword=s3cr3t\n",
		"password=s3\x00cr3t\n", "username=jo\re\npassword=s3cr3t\n", "username=j:oe\npassword=s3cr3t\n"} {
		if user, password, err := credentials.ParseAnswer(out); err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%q: %q %q, %v", out, user, password, err)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add("protocol=https\nusername=joe\npassword=a=b\n\n")
	f.Fuzz(func(t *testing.T, out string) {
		user, password, err := credentials.ParseAnswer(out)
		if err == nil && (password == "" || strings.ContainsAny(user+password, "\r\n\x00") || strings.Contains(user, ":")) {
			t.Errorf("%q: %q %q", out, user, password)
		}
	})
}
