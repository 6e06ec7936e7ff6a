package channels

import (
	"errors"
	"io/fs"
	"net/url"
	"slices"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
)

// maxCredential is the ceiling on a credential file: two URLs, each with a user and a
// password.
const maxCredential = 16 << 10

// credentialFile returns the path of the file that holds the URL of a channel with its
// user and password, if it has them. While Put changes the URL, the file holds those of
// the old URL and of the new one, each on its line: the settings say which is in force.
func credentialFile(name string) string { return settingsDir + "/" + name + ".credential" }

// splitURL returns ref without its user and password. secret reports whether it has them.
func splitURL(ref string) (bare string, secret bool) {
	u, err := url.Parse(ref)
	if err != nil || u.User == nil {
		return ref, false
	}
	return manifests.Redact(ref), true
}

// WithoutLogin returns c without the user and password of its URL.
func (c Channel) WithoutLogin() Channel {
	c.URL, _ = splitURL(c.URL)
	return c
}

// credentials returns what the credential file must hold before the settings of c are
// stored, and what afterwards. A credential is ignored beside the settings of another URL.
// So before, the file holds that of the settings in force, and that of c if it is for
// another URL; afterwards it holds that of c alone.
func (s Store) credentials(c Channel) (before, after []string, err error) {
	inForce := ""
	if stored, err := s.readSettings(c.Name); err == nil {
		inForce = stored.URL
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	have, err := s.readCredentials(c.Name)
	if err != nil {
		return nil, nil, err
	}
	for _, ref := range have {
		if bare, _ := splitURL(ref); bare == inForce {
			before = append(before, ref)
			break
		}
	}
	if bare, secret := splitURL(c.URL); secret {
		after = []string{c.URL}
		if bare != inForce {
			before = append(before, c.URL)
		}
	}
	return before, after, nil
}

// putCredentials makes refs the content of the credential file. Without refs it removes
// the file, if it is kist's.
func (s Store) putCredentials(name string, refs []string) error {
	have, err := s.readCredentials(name)
	switch {
	case err != nil:
		return err
	case slices.Equal(have, refs):
		return nil
	case len(refs) > 0:
		text := strings.Join(refs, "\n") + "\n"
		if len(text) > maxCredential {
			return &SettingsError{credentialFile(name), &manifests.TooLargeError{Name: credentialFile(name), Limit: maxCredential}}
		}
		return rootfs.ReplaceFile(s.Root, credentialFile(name), []byte(text), 0o600)
	}
	return rootfs.Remove(s.Root, credentialFile(name)) // have is not empty: it is kist's
}

// readCredentials returns the lines of the credential file of a channel. It returns none
// if the file is missing, or if kist did not write it: each line of a file of kist's is a
// URL with a user.
func (s Store) readCredentials(name string) (refs []string, err error) {
	data, err := s.readFile(credentialFile(name), maxCredential)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &SettingsError{credentialFile(name), err}
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(string(data), "\n"), "\n") {
		if _, secret := splitURL(line); !secret || len(refs) == 2 {
			return nil, nil
		}
		refs = append(refs, line)
	}
	return refs, nil
}

// withCredential returns c with the user and password that its credential file has for
// its URL. Settings that an earlier kist wrote hold them in their URL.
func (s Store) withCredential(c Channel) (Channel, error) {
	if _, secret := splitURL(c.URL); secret {
		return c, nil
	}
	refs, err := s.readCredentials(c.Name)
	if err != nil {
		return c, err
	}
	for _, ref := range refs {
		if bare, _ := splitURL(ref); bare == c.URL {
			c.URL = ref
			break
		}
	}
	return c, nil
}

// ownsCredential reports whether the credential file of a channel is kist's.
func (s Store) ownsCredential(name string) bool {
	if !s.isRegular(credentialFile(name)) {
		return false
	}
	refs, err := s.readCredentials(name)
	return err == nil && len(refs) > 0
}
