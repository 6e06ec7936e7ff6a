package channels

import (
	"errors"
	"io/fs"
	"net/url"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
)

// maxCredential is the ceiling on a credential file: a URL, a user, a password.
const maxCredential = 16 << 10

// credentialFile returns the path of the file that holds the URL of a channel with its
// user and password, if it has them.
func credentialFile(name string) string { return settingsDir + "/" + name + ".credential" }

// splitURL returns ref without its user and password. secret reports whether it has them.
func splitURL(ref string) (bare string, secret bool) {
	u, err := url.Parse(ref)
	if err != nil || u.User == nil {
		return ref, false
	}
	return manifests.Redact(ref), true
}

// putCredential stores the user and password of c's URL, or removes those that an earlier
// URL had. It is called before the settings are stored: a credential belongs to the URL
// that it holds, and is ignored beside another.
func (s Store) putCredential(c Channel) error {
	if _, secret := splitURL(c.URL); secret {
		return rootfs.ReplaceFile(s.Root, credentialFile(c.Name), []byte(c.URL+"\n"), 0o600)
	}
	if !s.ownsCredential(c.Name) {
		return nil
	}
	return rootfs.Remove(s.Root, credentialFile(c.Name))
}

// withCredential returns c with the user and password that its credential file has for
// its URL. Settings that an earlier kist wrote hold them in their URL.
func (s Store) withCredential(c Channel) (Channel, error) {
	if _, secret := splitURL(c.URL); secret {
		return c, nil
	}
	data, err := s.readFile(credentialFile(c.Name), maxCredential)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, &SettingsError{credentialFile(c.Name), err}
	}
	ref := strings.TrimSuffix(string(data), "\n")
	if bare, secret := splitURL(ref); secret && bare == c.URL {
		c.URL = ref
	}
	return c, nil
}

// ownsCredential reports whether the credential file of a channel is kist's: a URL with a
// user, on one line.
func (s Store) ownsCredential(name string) bool {
	if !s.isRegular(credentialFile(name)) {
		return false
	}
	data, err := s.readFile(credentialFile(name), maxCredential)
	if err != nil {
		return false
	}
	_, secret := splitURL(strings.TrimSuffix(string(data), "\n"))
	return secret
}
