package credentials

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"slices"
	"strings"

	"github.com/kist-tools/kist/manifests/config"
)

// askHelper runs the helper of c and returns what it prints, in the form of git's
// credential helpers: it is asked to "get", with protocol, host and path of c's url on its
// input, one a line, and prints username and password in the same form. The URL of the
// request is not told, so that one answer serves all below c's url.
//
// Source: gitcredentials(7), git-credential(1).
func (f *Finder) askHelper(ctx context.Context, c config.Credential) (user, password string, err error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return "", "", errors.New("its url is invalid")
	}
	input := fmt.Sprintf("protocol=%s\nhost=%s\npath=%s\n\n", u.Scheme, u.Host, strings.TrimPrefix(u.Path, "/"))
	out, err := f.Ask(ctx, c.Helper, "get", input, f.Environ)
	if err != nil {
		return "", "", err
	}
	return ParseAnswer(string(out))
}

// ParseAnswer parses what a credential helper printed: lines of key=value up to the first
// empty line. It must give a username and a password. Other keys are ignored. Errors do
// not repeat the answer.
func ParseAnswer(out string) (user, password string, err error) {
	values := map[string]string{}
	for line := range strings.Lines(out) {
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		if line == "" {
			break
		}
		key, value, ok := strings.Cut(line, "=")
		switch {
		case !ok:
			return "", "", errors.New("its answer has a line without =")
		case strings.ContainsFunc(value, isControl):
			return "", "", errors.New("its answer holds a control character")
		}
		values[key] = value
	}
	user, password = values["username"], values["password"]
	switch {
	case password == "" || values["quit"] == "1" || values["quit"] == "true":
		return "", "", errors.New("it knows no password")
	case strings.Contains(user, ":"):
		return "", "", errors.New("its username holds a colon, which HTTP does not allow there")
	}
	return user, password, nil
}

// HelperEnviron returns the environment of credential helpers: of environ, what leads to
// the user's own files, keyrings and agents, and path as PATH. Nothing else is passed on.
func HelperEnviron(environ []string, path string) []string {
	passed := []string{"HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TMPDIR",
		"XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR",
		"DBUS_SESSION_BUS_ADDRESS", "SSH_AUTH_SOCK", "GNUPGHOME", "GPG_TTY"}
	if runtime.GOOS == "windows" {
		passed = append(passed, "SYSTEMROOT", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "TEMP", "TMP")
	}
	list := []string{"PATH=" + path}
	for _, v := range environ {
		name, _, _ := strings.Cut(v, "=")
		if runtime.GOOS == "windows" {
			name = strings.ToUpper(name)
		}
		if slices.Contains(passed, name) {
			list = append(list, v)
		}
	}
	return list
}
