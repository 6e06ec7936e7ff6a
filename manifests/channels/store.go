package channels

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// Ceilings on the files of a Store, in bytes. Settings with every part at its own
// ceiling have about 2,400,000.
const (
	maxSettings = 4 << 20
	MaxKey      = 1 << 20
)

const (
	settingsDir = "channels"
	keysDir     = "keys"
)

// Dirs returns the directories of a Store, below its root.
func Dirs() []string { return []string{settingsDir, keysDir} }

// A Store is the user's channels, below <config>/kist. Reading needs no lock; the
// caller must ensure that there is one writer at a time. The zero Store is that of a
// directory which does not exist: it is empty, and must not be written.
type Store struct{ Root *os.Root }

// An UnknownChannelError reports that the user has not added a channel of that name.
type UnknownChannelError struct {
	Name string
	Near []string
}

func (e *UnknownChannelError) Error() string {
	if len(e.Near) == 0 {
		return fmt.Sprintf("no channel %q was added", e.Name)
	}
	return fmt.Sprintf("no channel %q was added; near it: %s", e.Name, strings.Join(e.Near, ", "))
}
func (*UnknownChannelError) Kind() string { return "unknown" }

// A SettingsError reports that a file of the user's settings is invalid.
type SettingsError struct {
	File string // below the configuration directory
	Err  error
}

func (e *SettingsError) Error() string { return fmt.Sprintf("%s: %v", e.File, e.Err) }
func (*SettingsError) Kind() string    { return "settings" }
func (e *SettingsError) Unwrap() error { return e.Err }

// List returns every channel, sorted by name. An invalid file is a *SettingsError; the
// other channels are still returned.
func (s Store) List() ([]Channel, error) {
	names, err := s.names()
	if err != nil {
		return nil, err
	}
	var list []Channel
	var errs []error
	for _, name := range names {
		c, err := s.read(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		list = append(list, c)
	}
	return list, errors.Join(errs...)
}

// Get returns the channel called name, or an *UnknownChannelError.
func (s Store) Get(name string) (Channel, error) {
	c, err := s.read(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return c, err
	}
	names, err := s.names()
	if err != nil {
		return Channel{}, err
	}
	return Channel{}, &UnknownChannelError{name, manifests.Near(name, names)}
}

// Keyring returns the stored certificates of the keys that c trusts now. A missing or
// damaged certificate is an error, because the user chose all of these keys.
func (s Store) Keyring(c Channel) (*verify.Keyring, error) {
	var files [][]byte
	pins, _ := c.Trusted()
	for _, pin := range pins {
		name := keyFile(pin.Primary)
		data, err := s.readFile(name, MaxKey)
		if err != nil {
			return nil, &SettingsError{name, err}
		}
		files = append(files, data)
	}
	ring, err := verify.NewKeyring(pins, files...)
	if err != nil {
		return nil, fmt.Errorf("channel %s: %w", c.Name, err)
	}
	return ring, nil
}

// Certificate returns the stored copy of one certificate. The error matches
// fs.ErrNotExist if it is missing.
func (s Store) Certificate(primary verify.Fingerprint) ([]byte, error) {
	if err := checkFingerprint(primary); err != nil {
		return nil, err
	}
	return s.readFile(keyFile(primary), MaxKey)
}

// Put stores c, and those certificates of keys that c trusts now. A user and password in
// its URL go to a file of their own. If a certificate is already stored, perhaps for
// another channel, Put merges the two copies and never replaces it, so that a revocation
// once seen stays. The keys are written first, so that no channel is ever without its
// keys. If a write fails, the settings that are in force have the password that belongs to
// them; only a new password for the same URL may still be missing.
func (s Store) Put(c Channel, keys *verify.Keyring) error {
	stored := c
	stored.URL, _ = splitURL(c.URL)
	data, err := stored.encode()
	if err != nil {
		return fmt.Errorf("channel %s: %w", c.Name, err)
	}
	for _, dir := range Dirs() {
		if err := rootfs.Mkdir(s.Root, dir, 0o700); err != nil {
			return err
		}
	}
	given := map[verify.Fingerprint][]byte{}
	armored := keys.Export()
	for i, certificate := range keys.Certificates() {
		given[certificate.Fingerprint] = armored[i]
	}
	pins, _ := c.Trusted()
	for _, pin := range pins {
		if given[pin.Primary] == nil {
			return fmt.Errorf("channel %s: the certificate of key %s is missing", c.Name, pin.Primary)
		}
		if err := s.putKey(keyFile(pin.Primary), pin.Primary, given[pin.Primary]); err != nil {
			return err
		}
	}
	return s.putSettings(c, data)
}

// putSettings stores the settings of c, whose text is data, and its credential.
func (s Store) putSettings(c Channel, data []byte) error {
	before, after, err := s.credentials(c)
	if err != nil {
		return err
	}
	if err := s.putCredentials(c.Name, before); err != nil {
		return err
	}
	if err := rootfs.ReplaceFile(s.Root, settingsFile(c.Name), data, 0o600); err != nil {
		return err
	}
	return s.putCredentials(c.Name, after)
}

// putKey stores a certificate, merged with the copy that is already stored.
func (s Store) putKey(name string, primary verify.Fingerprint, armored []byte) error {
	stored, err := s.readFile(name, MaxKey)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return &SettingsError{name, err}
	default:
		both, err := verify.OpenKeyring(stored, armored)
		if err != nil {
			return &SettingsError{name, err}
		}
		if all := both.Certificates(); len(all) != 1 || all[0].Fingerprint != primary {
			return &SettingsError{name, fmt.Errorf("it is not the certificate of key %s", primary)}
		}
		armored = both.Export()[0]
	}
	if len(armored) > MaxKey {
		return &SettingsError{name, &manifests.TooLargeError{Name: name, Limit: MaxKey}}
	}
	return rootfs.ReplaceFile(s.Root, name, armored, 0o600)
}

func (s Store) isRegular(name string) bool {
	info, err := s.Root.Lstat(name)
	return err == nil && info.Mode().IsRegular()
}

func (s Store) exists(name string) bool {
	_, err := s.Root.Lstat(name)
	return err == nil
}

// read returns a channel with the credential of its URL.
func (s Store) read(name string) (Channel, error) {
	c, err := s.readSettings(name)
	if err != nil {
		return Channel{}, err
	}
	return s.withCredential(c)
}

// readSettings returns a channel as its settings file describes it.
func (s Store) readSettings(name string) (Channel, error) {
	if err := manifests.ValidName(name); err != nil {
		return Channel{}, fmt.Errorf("channel %w", err)
	}
	file := settingsFile(name)
	data, err := s.readFile(file, maxSettings)
	if err != nil {
		return Channel{}, &SettingsError{file, err}
	}
	c, err := parse(name, data)
	if err != nil {
		return Channel{}, &SettingsError{file, err}
	}
	return c, nil
}

// names lists the channels that have settings. A missing directory has none.
func (s Store) names() (names []string, err error) {
	if s.Root == nil {
		return nil, nil
	}
	entries, err := rootfs.ReadDir(s.Root, settingsDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".toml"); ok && !rootfs.IsNamedTemp(e.Name()) {
			names = append(names, name)
		}
	}
	return names, nil
}

// ownNames is names for a removal: what took the name of the directory, a file or a
// pipe, holds no settings.
func (s Store) ownNames() ([]string, error) {
	names, err := s.names()
	if errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	return names, err
}

func settingsFile(name string) string { return settingsDir + "/" + name + ".toml" }

// keyFile returns the path of the certificate of a primary key. Callers validate pins
// first, so that only a full fingerprint becomes part of a path.
func keyFile(primary verify.Fingerprint) string { return keysDir + "/" + string(primary) + ".asc" }

func (s Store) readFile(name string, limit int64) ([]byte, error) {
	if s.Root == nil {
		return nil, fs.ErrNotExist
	}
	data, err := rootfs.ReadFile(s.Root, name, limit)
	if errors.Is(err, rootfs.ErrTooLarge) {
		err = &manifests.TooLargeError{Name: name, Limit: limit}
	}
	return data, err
}
