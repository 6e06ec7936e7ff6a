package channels

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
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

// Remove forgets the channel called name, and every key that it names and no other
// channel does. Where the settings of another channel cannot be understood, all keys
// stay. Settings that cannot be understood are not shown to be kist's, and stay too: a
// *SettingsError. kept are the files, below the root, that have the name of a key and do
// not hold it; they stay.
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
		if err := durable.Remove(s.Root, file); err != nil {
			return nil, err
		}
	}
	return kept, nil
}

// retire takes a channel out of use, and returns the temporary file that its settings
// are from then on: as long as it is there, Owns knows the keys that they name.
func (s Store) retire(name string) (file string, err error) {
	file = durable.Temporary(settingsFile(name))
	if err := s.Root.Rename(settingsFile(name), file); err != nil {
		return "", err
	}
	return file, durable.SyncDir(s.Root, settingsDir)
}

// RetireAll takes all channels out of use whose settings are kist's own, for who is going
// to remove all that is: so that an interruption leaves none without its keys.
func (s Store) RetireAll() error {
	names, err := s.names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, err := s.read(name); err != nil || !s.isRegular(settingsFile(name)) {
			continue
		}
		if _, err := s.retire(name); err != nil {
			return err
		}
	}
	return nil
}

// Kept returns what Remove would keep. Nothing is touched.
func (s Store) Kept(name string) (kept []string, err error) {
	_, kept, err = s.removal(name)
	return kept, err
}

// removal lists the keys that go with a channel, and those that stay.
func (s Store) removal(name string) (own, kept []string, err error) {
	names, err := s.names()
	if err != nil {
		return nil, nil, err
	}
	if !slices.Contains(names, name) {
		return nil, nil, &UnknownChannelError{name, manifests.Near(name, names)}
	}
	c, err := s.read(name)
	if err != nil {
		return nil, nil, err
	}
	if !s.isRegular(settingsFile(name)) {
		return nil, nil, &SettingsError{settingsFile(name), errors.New("not a regular file")}
	}
	needed := map[verify.Fingerprint]bool{}
	for _, other := range names {
		if other == name {
			continue
		}
		c, err := s.read(other)
		if err != nil {
			return nil, nil, nil // keys in doubt are kept; List names the file at fault
		}
		for _, f := range c.named() {
			needed[f] = true
		}
	}
	for _, f := range c.named() {
		if needed[f] {
			continue
		}
		switch is, err := s.holdsKey(keyFile(f), f); {
		case err != nil:
			return nil, nil, err
		case is:
			own = append(own, keyFile(f))
		case s.exists(keyFile(f)):
			kept = append(kept, keyFile(f))
		}
	}
	return own, kept, nil
}

// named are the primary keys that c names, those too that it retired: they prove what
// was installed before.
func (c Channel) named() (list []verify.Fingerprint) {
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

// Owns returns what tells whether the file name, below the root, is kist's: settings
// that can be understood, the certificate of a key that such settings name, the newer
// copy of one of builtin, the keys of built-in channels, and what is left of an
// interrupted write. For a name that is missing the answer is no.
func (s Store) Owns(builtin []verify.Fingerprint) (func(name string) (bool, error), error) {
	names, err := s.names()
	if err != nil {
		return nil, err
	}
	own := map[string]bool{}
	for _, name := range names {
		c, err := s.read(name)
		if err != nil || !s.isRegular(settingsFile(name)) {
			continue // not shown to be kist's, and so are the keys that it may name
		}
		own[settingsFile(name)] = true
		for _, f := range c.named() {
			if own[keyFile(f)], err = s.holdsKey(keyFile(f), f); err != nil {
				return nil, err
			}
		}
	}
	retired, err := s.retired()
	if err != nil {
		return nil, err
	}
	for _, c := range retired {
		for _, f := range c.named() {
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
		temporary := slices.Contains(Dirs(), path.Clean(dir)) && durable.IsTemporary(base)
		return own[name] || temporary && s.isRegular(name), nil
	}, nil
}

// retired returns the channels that an interrupted removal took out of use.
func (s Store) retired() (list []Channel, err error) {
	entries, err := fs.ReadDir(s.Root.FS(), settingsDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		of, ok := durable.OfTemporary(e.Name())
		name, settings := strings.CutSuffix(of, ".toml")
		if !ok || !settings || !e.Type().IsRegular() || manifests.ValidName(name) != nil {
			continue
		}
		data, err := s.readFile(settingsDir+"/"+e.Name(), MaxSettings)
		if err != nil {
			continue // half-written, perhaps: it names nothing
		}
		if c, err := parse(name, data); err == nil {
			list = append(list, c)
		}
	}
	return list, nil
}

// holdsKey reports whether the file name is a certificate of this primary key.
func (s Store) holdsKey(name string, primary verify.Fingerprint) (bool, error) {
	if plain(primary) != nil || !s.isRegular(name) {
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
