package health

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/cache"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/verify"
)

// A Source is what the Host of this machine is made from.
type Source struct {
	OS     string // a GOOS
	Now    time.Time
	Dirs   host.BaseDirs
	User   install.Host
	Getenv func(string) string
	Path   host.SearchPath
	Child  install.Child
	// Set is nil if kist's directories cannot be opened; Err says why. If Set is not nil, Err
	// is why what is installed cannot be read, or nil.
	Set      *toolset.Set
	Err      error
	CacheMax int64 // bytes; 0: no limit
	// Ask opens what a URL leads to.
	Ask manifests.Transport
}

// roles are the directories, as install.Installer.Space names them.
var roles = []string{"data", "state", "cache", "config", "bin"}

// Host returns this machine.
func (src Source) Host() Host {
	h := src.bare()
	s := src.Set
	if s == nil {
		return h
	}
	h.Spaces = func() (list []Space) {
		for _, role := range roles {
			if free, inodes, volume, ok := s.Space(role); ok {
				list = append(list, Space{role, src.base(role), free, inodes, volume})
			}
		}
		return list
	}
	h.Holder, h.Obstacles, h.Marks = s.Installer.Holder, s.Obstacles, s.Marks
	h.Channels = func() ([]Channel, error) { return channelsOf(s) }
	h.Cache = func() ([]cache.Item, error) {
		root, err := s.Cache(false)
		if root == nil || err != nil {
			return nil, err
		}
		return cache.List(root)
	}
	h.ChangeErr = s.MayChange()
	if h.Reach = func(context.Context, string) error { return nil }; src.Ask != nil {
		h.Reach = src.reach
	}
	if src.Err != nil { // what is installed is not known
		return h
	}
	if moved := s.Relocated(s.State); moved != nil {
		h.Moved = moved
	}
	h.Leftovers = func() ([]install.Leftover, error) { return s.Leftovers(s.State) }
	h.Obstructed = func() ([]string, error) { return s.Obstructed(s.State) }
	h.Damaged = func() map[record.ID]error {
		damaged := map[record.ID]error{}
		maps.Copy(damaged, s.State.Damaged)
		for id := range s.State.Receipts { // of these, the heads were read
			if _, err := s.Receipt(id); err != nil {
				damaged[id] = err
			}
		}
		return damaged
	}
	h.Commands = s.State.Current.Names
	h.Missing = func() (list []*install.MissingError) {
		for _, r := range s.State.Installed() {
			if missing := s.Missing(r); missing != nil {
				list = append(list, missing)
			}
		}
		return list
	}
	return h
}

// bare returns this machine without what is installed.
func (src Source) bare() Host {
	h := Host{
		OS: src.OS, Now: src.Now, Home: src.Dirs.Home, Bin: src.Dirs.Bin, Getenv: src.Getenv, OpenErr: src.Err, CacheMax: src.CacheMax,
		Shell:    filepath.Base(strings.TrimSuffix(src.Getenv("SHELL"), ".exe")),
		ReadFile: host.ReadSmall,
		Settings: src.settings,
		Sandbox:  func() (string, []string, error) { return install.Sandbox(src.Child) },
		Directories: func() ([]install.Diagnosis, error) {
			if src.Dirs.Err != nil {
				return nil, nil // checkStore says so
			}
			return install.Diagnose(src.Dirs.Dirs, src.User)
		},
		OnPath: src.Path.HasBin(), HiddenBy: src.Path.HiddenBy,
		Spaces:     func() []Space { return nil },
		Holder:     func() (string, bool, error) { return "", false, nil },
		Leftovers:  func() ([]install.Leftover, error) { return nil, nil },
		Obstacles:  func() ([]install.Leftover, error) { return nil, nil },
		Obstructed: func() ([]string, error) { return nil, nil },
		Damaged:    func() map[record.ID]error { return nil },
		Missing:    func() []*install.MissingError { return nil },
		Marks:      func() ([]verify.Mark, []install.Leftover, error) { return nil, nil, nil },
		Channels:   func() ([]Channel, error) { return nil, nil },
		Cache:      func() ([]cache.Item, error) { return nil, nil },
		Commands:   func() []string { return nil },
		Reach:      func(context.Context, string) error { return nil },
	}
	if h.Shell == "." {
		h.Shell = ""
	}
	if src.User.NameOf != nil {
		h.User = src.User.NameOf(src.User.EUID)
	}
	return h
}

// base returns the base directory of a role.
func (src Source) base(role string) string {
	d := src.Dirs
	return map[string]string{"data": d.Data, "state": d.State, "cache": d.Cache, "config": d.Config, "bin": d.Bin}[role]
}

// settings reads the settings and the policies of the user and of the machine.
func (src Source) settings() (list []Settings) {
	if src.Dirs.Err != nil {
		return nil
	}
	for _, file := range src.Dirs.ConfigFiles() {
		err := src.Dirs.CheckConfig(file, src.User)
		_, unsafe := errors.AsType[*host.UnsafeFileError](err)
		list = append(list, Settings{"settings", file, err, unsafe})
	}
	policies := []string{filepath.Join(src.Dirs.Config, "kist", channels.RulesFile)}
	if src.Dirs.Machine != "" {
		policies = append(policies, filepath.Join(src.Dirs.Machine, channels.RulesFile))
	}
	for _, file := range policies {
		data, err := host.ReadSmall(file)
		if err == nil {
			_, err = channels.ParseRules(file, data)
		}
		list = append(list, Settings{Kind: "policy", Path: file, Err: err})
	}
	return list
}

// channelsOf returns the channels that the user added, and those that the installed
// toolchains came from.
func channelsOf(s *toolset.Set) (list []Channel, err error) {
	added, err := s.Desk.List()
	var names []string
	for _, c := range added {
		names = append(names, c.Name)
	}
	own := len(names)
	for _, r := range s.State.Installed() {
		if !slices.Contains(names, r.Channel) {
			names = append(names, r.Channel)
		}
	}
	for n, name := range names {
		c := Channel{Name: name, Added: n < own}
		c.Keys, c.Err = s.Desk.FailingKeys(name)
		if unknown, gone := errors.AsType[*channels.UnknownChannelError](c.Err); gone && unknown != nil {
			continue // the user removed it; what came from it stays
		}
		c.URLs, c.Shown = s.Desk.Places(name)
		list = append(list, c)
	}
	return list, err
}

// reach opens what url leads to, and reads its first byte.
func (src Source) reach(ctx context.Context, url string) error {
	body, _, err := src.Ask.Open(ctx, url, 0)
	if err != nil {
		if answered(err) {
			return nil
		}
		return err
	}
	defer body.Close()
	_, err = io.ReadFull(body, make([]byte, 1))
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return err
}

// answered reports whether err is an answer of the server, if not the hoped-for one: many have
// nothing at the beginning of their files' URLs.
func answered(err error) bool {
	return errors.Is(err, manifests.ErrNotFound) || errors.Is(err, fs.ErrNotExist)
}
