package namedfiles

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/project"
)

// maxProjectDirs is how many directories are searched upward.
const maxProjectDirs = 256

// ProjectFiles is what the files of a project say.
type ProjectFiles struct {
	Read    []project.Read // the nearest first, as project.Merge expects them
	Ignored []IgnoredFile
	Dir     string      // the nearest directory that holds one of these files, "" if there are none
	Times   []time.Time // when each of Read was last modified, before it was read
	Absent  []string    // the paths that would count if a file were there, from Dir upward

	start  string // where the search began
	owners host.Owners
}

// An IgnoredFile has the name of a project's file and was not read.
type IgnoredFile struct {
	Path string `json:"path"`
	Why  string `json:"why"`
	// Foreign says that another user can change it: the project goes on as without it.
	Foreign bool `json:"-"`
}

// FindProject reads the files of the project that dir belongs to: those in dir and in the
// directories above it, up to the home directory, the root, or the border of a file
// system. It follows no links, so that a check-out cannot make kist read other files.
// Above dir, it ignores files that others than root, user and the owner of dir can change:
// in a directory such as /tmp anybody could put one. In dir itself every file counts,
// since a check-out of a CI job may belong to another user. Errors are *project.Error.
func FindProject(dir, home string, user install.Host) (p ProjectFiles, err error) {
	p.start, p.owners = dir, host.OwnersAbove(host.Root(), dir, user)
	for range maxProjectDirs {
		for _, f := range project.Formats() {
			path := filepath.Join(dir, f.Name)
			data, info, err := readUnlinked(path, f.Limit+1)
			if errors.Is(err, fs.ErrNotExist) {
				p.Absent = append(p.Absent, path)
				continue
			}
			if p.Dir == "" {
				p.Dir = dir
				p.Absent = slices.DeleteFunc(p.Absent, func(path string) bool { return filepath.Dir(path) != dir })
			}
			if err != nil {
				p.Ignored = append(p.Ignored, IgnoredFile{Path: path, Why: err.Error()})
				continue
			}
			if why := p.whyForeign(path, info); why != "" {
				p.Ignored = append(p.Ignored, IgnoredFile{path, why, true})
				continue
			}
			content, err := f.Parse(path, data)
			if err != nil {
				return p, err
			}
			p.Read, p.Times = append(p.Read, project.Read{Path: path, Content: content}), append(p.Times, info.ModTime())
		}
		above := filepath.Dir(dir)
		if dir == above || host.SameDir(dir, home) || !host.OnOneDevice(dir, above) {
			break
		}
		dir = above
	}
	return p, nil
}

// whyForeign says why another user can decide what a file at path says, or "".
func (p ProjectFiles) whyForeign(path string, file fs.FileInfo) string {
	dir := filepath.Dir(path)
	if dir == p.start {
		return ""
	}
	info, err := os.Stat(dir)
	if err != nil {
		return "its directory cannot be read"
	}
	return p.owners.WhyNot(file, info)
}

// ReadBeside reads a regular file of at most limit bytes beside the files of p. A link is
// refused, and so is a file that FindProject would ignore because of its owner. exists is
// false if there is nothing at path.
func (p ProjectFiles) ReadBeside(path string, limit int64) (data []byte, exists bool, err error) {
	data, info, err := readUnlinked(path, limit+1)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, false, nil
	case err != nil:
		return nil, true, &TypeError{path, "not read: " + err.Error()}
	case int64(len(data)) > limit:
		return nil, true, &manifests.TooLargeError{Name: path, Limit: limit}
	}
	if why := p.whyForeign(path, info); why != "" {
		return nil, true, &TypeError{path, "not read: " + why}
	}
	return data, true, nil
}

// readUnlinked reads up to limit bytes of the regular file at path, which is no link. info
// describes it as it was before it was read. Errors do not name the path.
func readUnlinked(path string, limit int64) (data []byte, info fs.FileInfo, err error) {
	info, err = os.Lstat(path)
	if err != nil {
		return nil, nil, err.(*fs.PathError).Err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return nil, nil, errors.New("it is a link")
	}
	f, err := Open(path)
	if err != nil {
		if wrong, ok := errors.AsType[*TypeError](err); ok {
			return nil, nil, errors.New("it is " + wrong.Problem)
		}
		if p, ok := errors.AsType[*fs.PathError](err); ok {
			return nil, nil, p.Err
		}
		return nil, nil, err
	}
	defer f.Close()
	if opened, err := f.Stat(); err != nil || !os.SameFile(info, opened) {
		return nil, nil, errors.New("it was replaced while it was opened")
	}
	data, err = io.ReadAll(io.LimitReader(f, limit))
	return data, info, err
}
