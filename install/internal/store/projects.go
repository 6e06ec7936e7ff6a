package store

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/install/internal/launcher"
	"github.com/kist-tools/kist/manifests/rootfs"
)

// This file records the projects in which toolchains were installed, beside the answers of
// the launchers, in the directory of the generation that was current then. When that
// generation is dropped, its records move to the current one (KeepProjects).

// MaxProjects is how many projects one generation records; for another one, the one
// that was recorded longest ago is forgotten.
const MaxProjects = 500

// maxProject is the most bytes of a record.
const maxProject = 64 << 10

// A Project is a directory in which toolchains were installed for what its files ask.
type Project struct {
	Dir   string    `json:"dir"`   // absolute, with links resolved
	Mount string    `json:"mount"` // the root of the file system that Dir was on; "": not known
	Uses  []string  `json:"uses"`  // channel/tool@version, what its files meant then
	Seen  time.Time `json:"-"`     // when it was recorded
}

// projectFile returns the path of the record of a project, below the directory of a generation.
func projectFile(dir string) string {
	volume := filepath.VolumeName(dir) // "" but on Windows, where no name may have a colon
	return launcher.SeenFile(strings.ReplaceAll(volume, ":", "") + filepath.ToSlash(dir[len(volume):]))
}

// PutProject records p in generation n. The caller must hold the lock. Nothing is synced: a
// record that a crash undoes is made again by the next install there.
func (s Store) PutProject(n uint64, p Project) error {
	if err := s.putProject(n, p); err != nil {
		return err
	}
	return s.forgetProjects(n)
}

// putProject is PutProject without the ceiling.
func (s Store) putProject(n uint64, p Project) error {
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	name := path.Join(generationDir(n), projectFile(p.Dir))
	if _, err := rootfs.MkdirAllUnsynced(s.Data, path.Dir(name), 0o700); err != nil {
		return err
	}
	if err := rootfs.WriteFileUnsynced(s.Data, name, launcher.EncodeSeen(text), 0o600); err != nil {
		return err
	}
	if err := s.Data.Chtimes(name, p.Seen, p.Seen); err != nil {
		return err
	}
	s.reached("project recorded")
	return nil
}

// forgetProjects removes the oldest records of generation n beyond MaxProjects.
func (s Store) forgetProjects(n uint64) error {
	all, err := s.projectFiles(n)
	if err != nil || len(all) <= MaxProjects {
		return err
	}
	oldest := slices.SortedFunc(maps.Keys(all), func(a, b string) int { return all[a].Compare(all[b]) })
	for _, name := range oldest[:len(all)-MaxProjects] {
		if err := s.removeOwn(name); err != nil {
			return err
		}
	}
	return nil
}

// Projects returns the projects that any generation records, each once, sorted by directory.
func (s Store) Projects() (list []Project, err error) {
	if s.Data == nil {
		return nil, nil
	}
	numbers, err := s.numbers()
	if err != nil {
		return nil, err
	}
	newest := map[string]Project{}
	for _, n := range numbers {
		all, err := s.projects(n)
		if err != nil {
			return nil, err
		}
		for _, p := range all {
			if have, ok := newest[p.Dir]; !ok || have.Seen.Before(p.Seen) {
				newest[p.Dir] = p
			}
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(newest)) {
		list = append(list, newest[dir])
	}
	return list, nil
}

// Project returns the newest record of the project in dir. ok is false if there is none.
func (s Store) Project(dir string) (p Project, ok bool, err error) {
	if s.Data == nil {
		return p, false, nil
	}
	numbers, err := s.numbers()
	for _, n := range numbers {
		have, found := s.readProject(path.Join(generationDir(n), projectFile(dir)))
		if found && have.Dir == dir && (!ok || p.Seen.Before(have.Seen)) {
			p, ok = have, true
		}
	}
	return p, ok, err
}

// readProject reads a record. ok is false if there is none of that name.
func (s Store) readProject(name string) (p Project, ok bool) {
	info, err := s.Data.Lstat(name)
	if err != nil {
		return p, false
	}
	data, err := rootfs.ReadFile(s.Data, name, maxProject)
	if err != nil {
		return p, false
	}
	text, ok := launcher.DecodeSeen(data)
	if !ok || json.Unmarshal(text, &p) != nil || !filepath.IsAbs(p.Dir) {
		return Project{}, false
	}
	p.Seen = info.ModTime()
	return p, true
}

// projects returns the records of generation n, by the name of the file.
func (s Store) projects(n uint64) (map[string]Project, error) {
	all := map[string]Project{}
	names, err := s.projectFiles(n)
	for name := range names {
		if p, ok := s.readProject(name); ok { // else it was dropped meanwhile, or is not kist's
			all[name] = p
		}
	}
	return all, err
}

// projectFiles returns the files of generation n with the names of records, and when each
// was written.
func (s Store) projectFiles(n uint64) (map[string]time.Time, error) {
	all := map[string]time.Time{}
	dir := generationDir(n)
	err := fs.WalkDir(s.Data.FS(), path.Join(dir, launcher.Answers), func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrPermission):
			return nil
		case err != nil:
			return rootfs.IgnoreMissing(err)
		case d.IsDir() || !launcher.IsSeen(strings.TrimPrefix(name, dir+"/")):
			return nil
		}
		info, err := d.Info()
		if err == nil {
			all[name] = info.ModTime()
		}
		return rootfs.IgnoreMissing(err)
	})
	return all, err
}

// KeepProjects records in generation to the projects that generation from records, except
// those that to has newer records of.
func (s Store) KeepProjects(from, to uint64) error {
	old, err := s.projects(from)
	if err != nil || len(old) == 0 || to == 0 {
		return err
	}
	all, err := s.projects(to)
	if err != nil {
		return err
	}
	for _, p := range old {
		have, ok := all[path.Join(generationDir(to), projectFile(p.Dir))]
		if ok && !have.Seen.Before(p.Seen) {
			continue
		}
		if err := s.putProject(to, p); err != nil {
			return err
		}
	}
	return s.forgetProjects(to)
}
