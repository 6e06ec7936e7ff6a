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

// Ceilings on the files of a Store, in bytes. Settings whose every part is at its
// own ceiling have some 2,400,000.
const (
	MaxSettings = 4 << 20
	MaxKey      = 1 << 20
)

const (
	settingsDir = "channels"
	keysDir     = "keys"
)

// Dirs are the directories of a Store, below its root.
func Dirs() []string { return []string{settingsDir, keysDir} }

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

// Keyring reads the stored certificates of the keys that c trusts now. One that is missing or
// damaged is an error: a keyring with fewer keys than were pinned is not what
// the user chose.
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

// Certificate reads the stored copy of one certificate. One that is missing
// matches fs.ErrNotExist.
func (s Store) Certificate(primary verify.Fingerprint) ([]byte, error) {
	if err := plain(primary); err != nil {
		return nil, err
	}
	return s.readFile(keyFile(primary), MaxKey)
}

// Put stores c, and of keys the certificates that c trusts now. A certificate stored
// before, perhaps for another channel, is merged with the copy given and never
// replaced, so that a revocation once seen stays. The keys are written first: no
// channel is ever without its keys.
func (s Store) Put(c Channel, keys *verify.Keyring) error {
	data, err := c.encode()
	if err != nil {
		return fmt.Errorf("channel %s: %w", c.Name, err)
	}
	for _, dir := range Dirs() {
		if err := durable.Mkdir(s.Root, dir, 0o700); err != nil {
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
			return fmt.Errorf("channel %s: the certificate of key %s was not given", c.Name, pin.Primary)
		}
		if err := s.putKey(keyFile(pin.Primary), pin.Primary, given[pin.Primary]); err != nil {
			return err
		}
	}
	return durable.Write(s.Root, settingsFile(c.Name), data, 0o600)
}

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
			return &SettingsError{name, fmt.Errorf("it holds another key than %s", primary)}
		}
		armored = both.Export()[0]
	}
	if len(armored) > MaxKey {
		return &SettingsError{name, &manifests.TooLargeError{Name: name, Limit: MaxKey}}
	}
	return durable.Write(s.Root, name, armored, 0o600)
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
		if r := c.Rotation; r != nil {
			for _, pin := range r.Pins {
				used[string(pin.Primary)] = true
			}
			for _, f := range r.Retired { // they prove what was installed before
				used[string(f)] = true
			}
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
	data, err := s.readFile(file, MaxSettings)
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
	entries, err := durable.ReadDir(s.Root, dir)
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

// keyFile is where the certificate of a primary key is. Pins are validated
// before they come here: only a full fingerprint ever becomes a path.
func keyFile(primary verify.Fingerprint) string { return keysDir + "/" + string(primary) + ".asc" }

func (s Store) readFile(name string, limit int64) ([]byte, error) {
	return durable.ReadFile(s.Root, name, limit, &manifests.TooLargeError{Name: name, Limit: limit})
}
