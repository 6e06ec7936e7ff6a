package channels

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/internal/durable"
	"github.com/kist-tools/kist/verify"
)

// Ceilings on the files of a Store, in bytes.
const (
	MaxSettings = 256 << 10
	MaxKey      = 1 << 20
)

const (
	settingsDir = "channels"
	keysDir     = "keys"
)

// A Store is the user's channels, below <config>/kist. Reading needs no lock;
// writers are kept apart by the caller.
type Store struct{ Root *os.Root }

// An UnknownChannelError says that the user has added no channel of that name.
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

// A SettingsError says that a file of the user's settings is not what it must be.
type SettingsError struct {
	File string // below the configuration directory
	Err  error
}

func (e *SettingsError) Error() string { return fmt.Sprintf("%s: %v", e.File, e.Err) }
func (e *SettingsError) Unwrap() error { return e.Err }

// List returns every channel, by name. One file that cannot be understood is a
// *SettingsError; the channels beside it are returned all the same.
func (s Store) List() ([]Channel, error) {
	names, err := s.names()
	if err != nil {
		return nil, err
	}
	var list []Channel
	var faults []error
	for _, name := range names {
		c, err := s.read(name)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		list = append(list, c)
	}
	return list, errors.Join(faults...)
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

// Keys returns the stored certificates of c's pins. One that is missing is an
// error: a keyring with fewer keys than were pinned is not what the user chose.
func (s Store) Keys(c Channel) ([][]byte, error) {
	var files [][]byte
	for _, pin := range c.Pins {
		data, err := s.Key(pin.Primary)
		if err != nil {
			return nil, err
		}
		files = append(files, data)
	}
	return files, nil
}

// Key returns one stored certificate; where there is none the error matches
// fs.ErrNotExist.
func (s Store) Key(primary verify.Fingerprint) ([]byte, error) {
	name, err := keyFile(primary)
	if err != nil {
		return nil, err
	}
	data, err := durable.ReadFile(s.Root, name, MaxKey, &manifests.TooLargeError{Name: name, Limit: MaxKey})
	if err != nil {
		return nil, &SettingsError{name, err}
	}
	return data, nil
}

// Put stores c and the armored certificates of keys by primary fingerprint, the
// keys first, so that no channel is ever without its keys. Every pin of c needs
// one, given now or stored before. A stored certificate is replaced by the one
// given: whoever refreshes a key merges the two beforehand.
func (s Store) Put(c Channel, keys map[verify.Fingerprint][]byte) error {
	data, err := c.encode()
	if err != nil {
		return fmt.Errorf("channel %s: %w", c.Name, err)
	}
	for _, dir := range []string{settingsDir, keysDir} {
		if err := durable.Mkdir(s.Root, dir, 0o700); err != nil {
			return err
		}
	}
	for _, pin := range c.Pins {
		armored, given := keys[pin.Primary]
		if !given {
			if _, err := s.Key(pin.Primary); err != nil {
				return err
			}
			continue
		}
		name, err := keyFile(pin.Primary)
		if err != nil {
			return err
		}
		if len(armored) == 0 || len(armored) > MaxKey {
			return &SettingsError{name, fmt.Errorf("%d bytes, want 1 to %d", len(armored), MaxKey)}
		}
		if err := durable.Write(s.Root, name, armored, 0o600); err != nil {
			return err
		}
	}
	return durable.Write(s.Root, settingsFile(c.Name), data, 0o600)
}

// Remove forgets the channel called name, whether or not its settings can be
// understood, and then every key that no channel names any more. Where the
// settings of another channel cannot be understood, all keys stay.
func (s Store) Remove(name string) error {
	names, err := s.names()
	if err != nil {
		return err
	}
	if !slices.Contains(names, name) {
		return &UnknownChannelError{name, manifests.Near(name, names)}
	}
	if err := durable.Remove(s.Root, settingsFile(name)); err != nil {
		return err
	}
	rest, err := s.List()
	if err != nil {
		return nil // keys in doubt are kept; List names the file at fault
	}
	used := map[string]bool{}
	for _, c := range rest {
		for _, pin := range c.Pins {
			used[string(pin.Primary)] = true
		}
	}
	stored, err := s.stems(keysDir, ".asc")
	if err != nil {
		return err
	}
	for _, stem := range stored {
		f, err := verify.ParseFingerprint(stem)
		if err != nil || string(f) != stem || used[stem] {
			continue // not a file of ours, or still needed
		}
		if err := durable.Remove(s.Root, keysDir+"/"+stem+".asc"); err != nil {
			return err
		}
	}
	return nil
}

func (s Store) read(name string) (Channel, error) {
	if err := manifests.ValidName(name); err != nil {
		return Channel{}, fmt.Errorf("channel %w", err)
	}
	file := settingsFile(name)
	data, err := durable.ReadFile(s.Root, file, MaxSettings, &manifests.TooLargeError{Name: file, Limit: MaxSettings})
	if err != nil {
		return Channel{}, &SettingsError{file, err}
	}
	c, err := parse(name, data)
	if err != nil {
		return Channel{}, &SettingsError{file, err}
	}
	return c, nil
}

func (s Store) names() ([]string, error) { return s.stems(settingsDir, ".toml") }

// stems lists the files in dir that end in suffix, without it. A directory that
// was never made holds none.
func (s Store) stems(dir, suffix string) ([]string, error) {
	entries, err := fs.ReadDir(s.Root.FS(), dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var list []string
	for _, e := range entries {
		if stem, ok := strings.CutSuffix(e.Name(), suffix); ok && !durable.IsTemporary(e.Name()) {
			list = append(list, stem)
		}
	}
	return list, nil
}

func settingsFile(name string) string { return settingsDir + "/" + name + ".toml" }

// keyFile is where the certificate of a primary key is; only a full
// fingerprint ever becomes a path.
func keyFile(primary verify.Fingerprint) (string, error) {
	f, err := verify.ParseFingerprint(string(primary))
	if err != nil {
		return "", err
	}
	return keysDir + "/" + string(f) + ".asc", nil
}
