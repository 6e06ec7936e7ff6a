// Package trial unpacks what a publisher offers, as an install would, to find out what
// users would get: [Unpacker.Add] before files enter a draft, and [Unpacker.Releases]
// when the directory of a channel is verified. It unpacks into temporary directories
// only, by the same child process as an install, and never runs what it unpacks. It
// proves no signatures: [publish.Dir.Verify] does.
package trial

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
)

// An Unpacker unpacks archives into temporary directories.
type Unpacker struct {
	Child install.Child
	// Scratch makes an empty temporary directory; remove deletes it with its content.
	Scratch func() (root *os.Root, remove func() error, err error)
}

// unpack unpacks archives into one prefix, and returns its entries. It calls check, to
// look at the unpacked files, before it removes the prefix.
func (u Unpacker) unpack(ctx context.Context, commands []string, archives []install.Packed, check func(prefix *os.Root, entries []record.Entry) error) (err error) {
	scratch, remove, err := u.Scratch()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	entries, err := install.Inspect(ctx, u.Child, scratch, commands, archives...)
	if err != nil {
		return err
	}
	return check(scratch, entries)
}

// matches reports whether patterns make commands of some of entries. As in an install,
// a file that a pattern names becomes executable.
func matches(patterns []string, entries []record.Entry) bool {
	if len(patterns) == 0 {
		return false
	}
	_, _, err := plan.Commands(patterns, plan.MakeExecutable(patterns, entries))
	return err == nil
}

// programs returns the paths of the entries that could become commands.
func programs(entries []record.Entry) (paths []string) {
	for _, e := range entries {
		if e.Type == record.File && e.Mode&0o111 != 0 && manifests.ValidCommand(path.Base(e.Path)) == nil {
			paths = append(paths, e.Path)
		}
	}
	return paths
}

// executables describes the programs of an archive, for an error.
func executables(programs []string) string {
	const most = 8
	switch n := len(programs); {
	case n == 0:
		return "no file in it is executable"
	case n > most+1:
		return fmt.Sprintf("executable in it: %s and %d more", strings.Join(programs[:most], ", "), n-most)
	case n > 1:
		return fmt.Sprintf("executable in it: %s and %s", strings.Join(programs[:n-1], ", "), programs[n-1])
	}
	return "executable in it: " + programs[0]
}
