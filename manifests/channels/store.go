package channels

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
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

// Remove deletes the channel called name, and the keys that only this channel names. If
// the settings of another channel are invalid, no key is deleted. If the settings of the
// channel itself are invalid, they may not be kist's, and nothing is deleted: the error
// is a *SettingsError. kept lists the files, below the root, that have the name of a key
// or of the channel's credential but do not hold it; Remove does not delete them.
func (s Store) Remove(name string) (kept []string, err error) {
	own, kept, err := s.removal(name)
	if err != nil {
		return nil, err
	}
	retired, err := s.retire(name)
	if err != nil {
		return nil, err
	}
	for _, file := range append(own, retired) {
		if err := rootfs.Remove(s.Root, file); err != nil {
			return nil, err
		}
	}
	return kept, nil
}

// retire disables a channel by renaming its settings to a temporary file, which it
// returns. As long as that file exists, Owns recognizes the keys of the channel.
func (s Store) retire(name string) (file string, err error) {
	file = rootfs.NamedTemp(settingsFile(name))
	if err := s.Root.Rename(settingsFile(name), file); err != nil {
		return "", err
	}
	return file, rootfs.SyncDir(s.Root, settingsDir)
}

// RetireAll disables all channels with valid settings. A caller that removes everything
// calls it first, so that an interruption leaves no channel without its keys.
func (s Store) RetireAll() error {
	names, err := s.ownNames()
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, err := s.readSettings(name); err != nil || !s.isRegular(settingsFile(name)) {
			continue
		}
		if _, err := s.retire(name); err != nil {
			return err
		}
	}
	return nil
}

// KeyFiles returns the files that Remove would return as kept. It changes nothing.
func (s Store) KeyFiles(name string) (kept []string, err error) {
	_, kept, err = s.removal(name)
	return kept, err
}

// removal returns the files that Remove deletes with a channel besides its settings: its
// credential and its keys; and those that it keeps because they do not hold the key of
// their name, or no credential.
func (s Store) removal(name string) (own, kept []string, err error) {
	names, err := s.names()
	if err != nil {
		return nil, nil, err
	}
	if !slices.Contains(names, name) {
		return nil, nil, &UnknownChannelError{name, manifests.Near(name, names)}
	}
	c, err := s.readSettings(name)
	if err != nil {
		return nil, nil, err
	}
	if !s.isRegular(settingsFile(name)) {
		return nil, nil, &SettingsError{settingsFile(name), errors.New("not a regular file")}
	}
	if s.ownsCredential(name) {
		own = append(own, credentialFile(name))
	} else if s.exists(credentialFile(name)) {
		kept = append(kept, credentialFile(name))
	}
	needed := map[verify.Fingerprint]bool{}
	for _, other := range names {
		if other == name {
			continue
		}
		c, err := s.readSettings(other)
		if err != nil {
			return own, kept, nil // that channel may name any key; List reports the invalid file
		}
		for _, f := range c.primaries() {
			needed[f] = true
		}
	}
	for _, f := range c.primaries() {
		if needed[f] {
			continue
		}
		switch holds, err := s.holdsKey(keyFile(f), f); {
		case err != nil:
			return nil, nil, err
		case holds:
			own = append(own, keyFile(f))
		case s.exists(keyFile(f)):
			kept = append(kept, keyFile(f))
		}
	}
	return own, kept, nil
}

// primaries returns the primary keys that c names. Retired keys are included, because
// they verify what was installed earlier.
func (c Channel) primaries() (list []verify.Fingerprint) {
	for _, pin := range c.Pins {
		list = append(list, pin.Primary)
	}
	if r := c.Rotation; r != nil {
		for _, pin := range r.Pins {
			list = append(list, pin.Primary)
		}
		list = append(list, r.Retired...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Owns returns a function that reports whether a file, named below the root, is kist's:
// valid settings, their credential, the certificate of a key that such settings name, the
// newer copy of a built-in key in builtin, or a temporary file of an interrupted write.
// It is false for a file that does not exist.
func (s Store) Owns(builtin []verify.Fingerprint) (func(name string) (bool, error), error) {
	own := map[string]bool{}
	names, err := s.ownNames()
	if err != nil {
		return nil, err
	}
	list, err := s.retired()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		c, err := s.readSettings(name)
		if err != nil || !s.isRegular(settingsFile(name)) {
			continue // neither this file nor the keys that it may name are known to be kist's
		}
		own[settingsFile(name)] = true
		list = append(list, c)
	}
	for _, c := range list {
		own[credentialFile(c.Name)] = s.ownsCredential(c.Name)
		for _, f := range c.primaries() {
			if own[keyFile(f)], err = s.holdsKey(keyFile(f), f); err != nil {
				return nil, err
			}
		}
	}
	for _, f := range builtin {
		if own[renewedFile(f)], err = s.holdsKey(renewedFile(f), f); err != nil {
			return nil, err
		}
	}
	return func(name string) (bool, error) {
		dir, base := path.Split(name)
		temporary := slices.Contains(Dirs(), path.Clean(dir)) && rootfs.IsNamedTemp(base)
		return own[name] || temporary && s.isRegular(name), nil
	}, nil
}

// retired returns the channels that an interrupted removal disabled.
func (s Store) retired() (list []Channel, err error) {
	entries, err := rootfs.ReadDir(s.Root, settingsDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return nil, err
	}
	for _, e := range entries {
		original, ok := rootfs.NameOfTemp(e.Name())
		name, settings := strings.CutSuffix(original, ".toml")
		if !ok || !settings || !e.Type().IsRegular() || manifests.ValidName(name) != nil {
			continue
		}
		data, err := s.readFile(settingsDir+"/"+e.Name(), maxSettings)
		if err != nil {
			continue // perhaps half-written: it names no keys
		}
		if c, err := parse(name, data); err == nil {
			list = append(list, c)
		}
	}
	return list, nil
}

// holdsKey reports whether the file called name is the certificate of the key primary.
func (s Store) holdsKey(name string, primary verify.Fingerprint) (bool, error) {
	if checkFingerprint(primary) != nil || !s.isRegular(name) {
		return false, nil
	}
	data, err := s.readFile(name, MaxKey)
	if long := (*manifests.TooLargeError)(nil); errors.As(err, &long) || errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	ring, err := verify.OpenKeyring(data)
	if err != nil {
		return false, nil
	}
	all := ring.Certificates()
	return len(all) == 1 && all[0].Fingerprint == primary, nil
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
