package config

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/kist-tools/kist/manifests"
)

// MaxDockerFile is the ceiling on a file of registry logins, in bytes.
const MaxDockerFile = 1 << 20

// Docker is what a file says about logins to registries: Docker's config.json, or the
// auth.json of podman, skopeo and buildah.
//
// Sources: "docker login" in Docker's reference, and containers-auth.json(5).
type Docker struct {
	logins  map[string]dockerLogin // by registry, perhaps with the beginning of repositories
	helpers map[string]string      // by registry
	store   string
}

type dockerLogin struct {
	Auth          string `json:"auth"`
	User          string `json:"username"`
	Password      string `json:"password"`
	IdentityToken string `json:"identitytoken"`
}

// A DockerLogin is how to log in to a registry: by a user and password, or by what a
// helper says.
type DockerLogin struct {
	User, Password string
	// Helper is the name of a program without its beginning "docker-credential-", and
	// Server what it is asked for. Sure says that it is named for this registry, and not
	// for all.
	Helper, Server string
	Sure           bool
}

// ParseDocker parses a file of logins. Its errors never repeat what the file holds.
func ParseDocker(data []byte) (Docker, error) {
	if len(data) > MaxDockerFile {
		return Docker{}, &manifests.TooLargeError{Name: "the file", Limit: MaxDockerFile}
	}
	var file struct {
		Auths       map[string]dockerLogin `json:"auths"`
		CredsStore  string                 `json:"credsStore"`
		CredHelpers map[string]string      `json:"credHelpers"`
	}
	if json.Unmarshal(data, &file) != nil {
		return Docker{}, errors.New("it is not the JSON that docker and podman write")
	}
	d := Docker{file.Auths, file.CredHelpers, file.CredsStore}
	for _, name := range d.helpers {
		if err := checkHelperName(name); err != nil {
			return Docker{}, err
		}
	}
	if d.store != "" {
		return d, checkHelperName(d.store)
	}
	return d, nil
}

// checkHelperName checks that name is the end of a file name.
func checkHelperName(name string) error {
	if name == "" || len(name) > 100 || strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.')
	}) {
		return fmt.Errorf("%.100q is not the name of a credential helper", name)
	}
	return nil
}

// For returns the login for a repository of the registry at host. A helper for the
// registry comes first, then the login for the longest beginning of the repository's
// name, then the helper for all registries. Errors do not repeat a secret.
func (d Docker) For(host, repository string) (login DockerLogin, ok bool, err error) {
	for key, helper := range d.helpers {
		if registryOf(key) == host {
			return DockerLogin{Helper: helper, Server: key, Sure: true}, true, nil
		}
	}
	longest := ""
	for key, one := range d.logins {
		if name := registryOf(key); isWithin(host+"/"+repository, name) && len(name) >= len(longest) && !one.isEmpty() {
			if longest == name && key > longest { // two spellings: always the same one
				continue
			}
			longest = name
			login, err = one.decode()
			ok = err == nil
		}
	}
	if longest == "" && d.store != "" {
		return DockerLogin{Helper: d.store, Server: host}, true, nil
	}
	return login, ok, err
}

// registryOf returns the registry that a key names, with what follows it in auth.json.
// Docker writes some keys as URLs, whose path is that of an API.
func registryOf(key string) string {
	if _, rest, isURL := strings.Cut(key, "://"); isURL {
		key, _, _ = strings.Cut(rest, "/")
	}
	key = strings.TrimSuffix(key, "/")
	host, rest, _ := strings.Cut(key, "/")
	if host = strings.ToLower(host); rest != "" {
		return host + "/" + rest
	}
	return host
}

// isWithin reports whether name is what prefix names, or begins with it and a slash.
func isWithin(name, prefix string) bool {
	return name == prefix || strings.HasPrefix(name, prefix+"/")
}

func (l dockerLogin) isEmpty() bool { return l == (dockerLogin{}) }

// decode returns the user and password of l.
func (l dockerLogin) decode() (DockerLogin, error) {
	user, password := l.User, l.Password
	if l.Auth != "" {
		plain, err := base64.StdEncoding.DecodeString(strings.TrimRight(l.Auth, "\x00"))
		var ok bool
		if user, password, ok = strings.Cut(strings.TrimRight(string(plain), "\x00"), ":"); err != nil || !ok {
			return DockerLogin{}, errors.New("its login for that registry is not base64 of USER:PASSWORD")
		}
	}
	if l.IdentityToken != "" || user == "" && password == "" {
		return DockerLogin{}, errors.New("its login for that registry is an identity token, which kist cannot use")
	}
	return DockerLogin{User: user, Password: password}, checkLogin(user, password)
}

// ParseHelperAnswer parses what a docker-credential helper printed. Errors do not repeat
// it.
//
// Source: the protocol of docker-credential-helpers.
func ParseHelperAnswer(data []byte) (user, password string, err error) {
	var answer struct{ Username, Secret string }
	if json.Unmarshal(data, &answer) != nil {
		return "", "", errors.New("its answer is not that of a docker-credential helper")
	}
	if answer.Username == "<token>" {
		return "", "", errors.New("it knows an identity token, which kist cannot use")
	}
	if answer.Secret == "" {
		return "", "", errors.New("it knows no password")
	}
	return answer.Username, answer.Secret, checkLogin(answer.Username, answer.Secret)
}

func checkLogin(user, password string) error {
	if strings.Contains(user, ":") || strings.ContainsFunc(user+password, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
		return errors.New("its login holds a character that HTTP does not allow there")
	}
	return nil
}
