//go:build unix

package credentials_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/install/credentials"
)

func TestDockerFiles(t *testing.T) {
	for name, test := range map[string]struct{ environ, want []string }{
		"defaults": {nil, []string{"/home/joe/.docker/config.json", "/home/joe/.config/containers/auth.json"}},
		"all set": {[]string{"REGISTRY_AUTH_FILE=/a", "DOCKER_CONFIG=/b", "XDG_RUNTIME_DIR=/c", "XDG_CONFIG_HOME=/d"},
			[]string{"/a", "/b/config.json", "/c/containers/auth.json", "/d/containers/auth.json"}},
		"not absolute": {[]string{"REGISTRY_AUTH_FILE=a", "DOCKER_CONFIG=b"}, []string{"/home/joe/.config/containers/auth.json"}},
	} {
		getenv := func(name string) string {
			for _, v := range test.environ {
				if value, ok := strings.CutPrefix(v, name+"="); ok {
					return value
				}
			}
			return ""
		}
		if got := credentials.DockerFiles(getenv, "/home/joe"); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// TestForRegistry checks which file and which helper is used, and when none is.
func TestForRegistry(t *testing.T) {
	dir := t.TempDir()
	const login = `{"auths":{"registry.example":{"auth":"am9lOnMzY3IzdA=="}}}`
	private, public := write(t, dir, "private.json", login, 0o600), write(t, dir, "public.json", login, 0o644)
	helped := write(t, dir, "helped.json", `{"credHelpers":{"registry.example":"test"}}`, 0o600)
	stored := write(t, dir, "stored.json", `{"credsStore":"test"}`, 0o600)
	damaged := write(t, dir, "damaged.json", "{", 0o600)
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "bin", "docker-credential-test")
	for name, test := range map[string]struct {
		files    []string
		answer   string // of the helper; empty: it fails
		mode     os.FileMode
		want     string // user:password
		asked    int
		warnings int
	}{
		"a password":                      {[]string{private}, "", 0o755, "joe:s3cr3t", 0, 0},
		"no file":                         {[]string{filepath.Join(dir, "missing")}, "", 0o755, ":", 0, 0},
		"the first that has one":          {[]string{damaged, private}, "", 0o755, "joe:s3cr3t", 0, 1},
		"one that others can read":        {[]string{public}, "", 0o755, ":", 0, 1},
		"a helper":                        {[]string{helped, private}, `{"Username":"a","Secret":"b"}`, 0o755, "a:b", 1, 0},
		"a helper for all":                {[]string{stored}, `{"Username":"a","Secret":"b"}`, 0o755, "a:b", 1, 0},
		"a helper that fails":             {[]string{helped, private}, "", 0o755, "joe:s3cr3t", 1, 1},
		"a helper for all that fails":     {[]string{stored, private}, "", 0o755, "joe:s3cr3t", 1, 0},
		"a helper that others can change": {[]string{helped}, `{"Username":"a","Secret":"b"}`, 0o777, ":", 0, 1},
		"no program":                      {[]string{helped}, `{"Username":"a","Secret":"b"}`, 0o644, ":", 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			write(t, filepath.Dir(program), filepath.Base(program), "#!/bin/sh\n", test.mode)
			f, warned := finder(t, "")
			f.Docker, f.Environ = test.files, []string{"PATH=" + filepath.Dir(program)}
			asked := 0
			f.Ask = func(_ context.Context, path, arg, input string, environ []string) ([]byte, error) {
				asked++
				if path != program || arg != "get" || input != "registry.example\n" || !slices.Equal(environ, f.Environ) {
					t.Errorf("asked %s %s, %q, %q", path, arg, input, environ)
				}
				if test.answer == "" {
					return nil, errors.New("exit status 1")
				}
				return []byte(test.answer), nil
			}
			for range 2 {
				a, err := f.ForRegistry(t.Context(), "registry.example", "acme/tools")
				if got := a.User + ":" + a.Password; got != test.want || err != nil || (a.Source == "") != (got == ":") {
					t.Errorf("%q of %s, %v; want %q", got, a.Source, err, test.want)
				}
			}
			if asked != test.asked || len(*warned) != test.warnings || strings.Contains(strings.Join(*warned, ""), "s3cr3t") {
				t.Errorf("asked %d times, warned %q", asked, *warned)
			}
			if test.files[0] != private {
				return
			}
			if a, err := f.ForRegistry(t.Context(), "other.example", "x"); a.User != "" || err != nil {
				t.Errorf("for another registry: %+v, %v", a, err)
			}
		})
	}
}
