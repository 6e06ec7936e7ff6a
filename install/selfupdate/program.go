// Package selfupdate replaces the program of kist itself by that of a release, and puts
// the one before it back.
//
// The release comes from kist's own channel, proved like any other (package trust). Its
// component [Component] is the program as a plain file, so the signed manifest states the digest of
// the program itself: that makes an update one file, and lets Identify tell which release a
// running program is.
//
// A program is replaced only if the user decides what lies in its directory: it is neither
// the system's nor a package manager's, and nobody else can write there. The new program
// is written beside the old one, made durable, and renamed over it. The old one stays as
// name.previous. Neither is ever run.
package selfupdate

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// module is the path of kist's own Go module, which every build of kist states.
const module = "github.com/kist-tools/kist"

// Suffix follows the name of the program in that of the one before it.
const Suffix = ".previous"

// A Program is the file of the kist that runs, in a directory of the user's own.
type Program struct {
	Path string // without links

	dir  *os.Root
	name string
	goos string // by whose rules programs are replaced
	// reached is called after each step, by tests.
	reached func(step string)
}

// A Machine is where a program lies.
type Machine struct {
	Root fs.FS        // the machine's root directory
	User install.Host // who runs kist
	Own  []string     // the directories that hold what kist installed
	Warn func(string)
}

// Open finds the file of the program at path, which may be a link, and checks that it may
// be replaced: see the package comment. It changes nothing. Its errors are *ManagedError,
// *host.UnsafeFileError and those of install.OpenDir; one that matches fs.ErrPermission
// says that the directory cannot be written. The caller closes the Program.
func Open(m Machine, path string) (*Program, error) {
	if path == "" {
		return nil, errors.New("the system does not say which file this program is")
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	if runtime.GOOS != "windows" { // which has none of them
		if err := managed(m.Root, real); err != nil {
			return nil, err
		}
	}
	if _, err := host.CheckProgram(path, m.User, m.Own); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	dir, err := install.OpenDir(m.User, "program", filepath.Dir(real), true, m.Warn)
	if err != nil {
		return nil, err
	}
	p := &Program{Path: real, dir: dir, name: filepath.Base(real), goos: runtime.GOOS, reached: func(string) {}}
	if err := rootfs.Probe(dir); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", filepath.Dir(real), err), dir.Close())
	}
	return p, nil
}

// Close closes the directory of p.
func (p *Program) Close() error { return p.dir.Close() }

// PreviousPath returns the path of the program before p.
func (p *Program) PreviousPath() string { return p.Path + Suffix }

func (p *Program) previous() string { return p.name + Suffix }

// RunningDigest returns the SHA-256 digest of the program at path, which is the one that
// runs. On Linux it reads the very file that was started, even if another one has its name
// by now.
func RunningDigest(path string) (verify.Digest, error) {
	if runtime.GOOS == "linux" {
		path = "/proc/self/exe"
	}
	f, err := os.Open(path)
	if err != nil {
		return verify.Digest{}, err
	}
	defer f.Close()
	return digestOf(f)
}

func digestOf(r io.Reader) (verify.Digest, error) {
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return verify.Digest{}, err
	}
	return verify.ParseDigest("sha256:" + hex.EncodeToString(h.Sum(nil)))
}

// A Build is what a file says of the kist that it is.
type Build struct {
	Version string // "" if the build recorded none
	OS      string
	Arch    string
}

// A NotKistError reports that a file is not a program of kist.
type NotKistError struct{ Path string }

func (e *NotKistError) Error() string { return e.Path + " is not a program of kist" }
func (*NotKistError) Kind() string    { return "refused" }

// readBuild returns what the Go toolchain recorded in a program of kist. The error is a
// *NotKistError if it is another file.
func readBuild(name string, r io.ReaderAt) (Build, error) {
	info, err := buildinfo.Read(r)
	if err != nil || info.Main.Path != module {
		return Build{}, &NotKistError{name}
	}
	var b Build
	if v := info.Main.Version; v != "(devel)" {
		b.Version = v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "GOOS":
			b.OS = s.Value
		case "GOARCH":
			b.Arch = s.Value
		}
	}
	return b, nil
}

// openKist opens a file beside p, which must be a program of kist that only the user and
// root can change.
func (p *Program) openKist(name string, user install.Host) (*os.File, Build, error) {
	path := filepath.Join(filepath.Dir(p.Path), name)
	info, err := p.dir.Lstat(name)
	if err != nil {
		return nil, Build{}, err
	}
	if !info.Mode().IsRegular() {
		return nil, Build{}, &NotKistError{path}
	}
	if why := host.ChangeableByOthers(info, user); why != "" {
		return nil, Build{}, fmt.Errorf("%s: %w", path, &host.UnsafeFileError{Why: why})
	}
	f, err := rootfs.OpenRegular(p.dir, name)
	if err != nil {
		return nil, Build{}, err
	}
	b, err := readBuild(path, f)
	if err != nil {
		return nil, b, errors.Join(err, f.Close())
	}
	return f, b, nil
}
