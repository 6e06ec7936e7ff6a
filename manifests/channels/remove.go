package channels

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

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
