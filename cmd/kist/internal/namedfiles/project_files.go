package namedfiles

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

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
}

// An IgnoredFile has the name of a project's file and was not read.
type IgnoredFile struct {
	Path string `json:"path"`
	Why  string `json:"why"`
}

// FindProject reads the files of the project that dir belongs to: those in dir and in the
// directories above it, up to the home directory, the root, or the border of a file
// system. It follows no links, so that a check-out cannot make kist read other files.
// Errors are *project.Error.
func FindProject(dir, home string) (p ProjectFiles, err error) {
	for range maxProjectDirs {
		for _, f := range project.Formats() {
			path := filepath.Join(dir, f.Name)
			data, modified, err := readUnlinked(path, f.Limit+1)
			if errors.Is(err, fs.ErrNotExist) {
				p.Absent = append(p.Absent, path)
				continue
			}
			if p.Dir == "" {
				p.Dir = dir
				p.Absent = slices.DeleteFunc(p.Absent, func(path string) bool { return filepath.Dir(path) != dir })
			}
			if err != nil {
				p.Ignored = append(p.Ignored, IgnoredFile{path, err.Error()})
				continue
			}
			content, err := f.Parse(path, data)
			if err != nil {
				return p, err
			}
			p.Read, p.Times = append(p.Read, project.Read{Path: path, Content: content}), append(p.Times, modified)
		}
		above := filepath.Dir(dir)
		if dir == above || host.SameDir(dir, home) || !host.OnOneDevice(dir, above) {
			break
		}
		dir = above
	}
	return p, nil
}

// ReadUnlinked reads a regular file of a project that is no link, of at most limit bytes.
// exists is false if there is nothing at path.
func ReadUnlinked(path string, limit int64) (data []byte, exists bool, err error) {
	data, _, err = readUnlinked(path, limit+1)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, false, nil
	case err != nil:
		return nil, true, &TypeError{path, "not read: " + err.Error()}
	case int64(len(data)) > limit:
		return nil, true, &manifests.TooLargeError{Name: path, Limit: limit}
	}
	return data, true, nil
}

// readUnlinked reads up to limit bytes of the regular file at path, which is no link, and
// returns when it had last been modified. Errors do not name the path.
func readUnlinked(path string, limit int64) (data []byte, modified time.Time, err error) {
	before, err := os.Lstat(path)
	if err != nil {
		return nil, modified, err.(*fs.PathError).Err
	}
	if before.Mode()&fs.ModeSymlink != 0 {
		return nil, modified, errors.New("it is a link")
	}
	f, err := Open(path)
	if err != nil {
		if wrong, ok := errors.AsType[*TypeError](err); ok {
			return nil, modified, errors.New("it is " + wrong.Problem)
		}
		if p, ok := errors.AsType[*fs.PathError](err); ok {
			return nil, modified, p.Err
		}
		return nil, modified, err
	}
	defer f.Close()
	if opened, err := f.Stat(); err != nil || !os.SameFile(before, opened) {
		return nil, modified, errors.New("it was replaced while it was opened")
	}
	data, err = io.ReadAll(io.LimitReader(f, limit))
	return data, before.ModTime(), err
}
