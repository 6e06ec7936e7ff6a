package install

import (
	"fmt"
	"os"

	"github.com/kist-tools/kist/install/internal/rootfs"
	"github.com/kist-tools/kist/install/record"
)

// seal looks at every file of a stage once nothing writes there any more, and
// notes in r what the file system says of it, so that a removal need not read
// what nobody touched. The time is read before the files: what is written later
// has a later one.
func seal(stage *os.Root, r *record.Receipt) error {
	if !rootfs.KeepsStamps(stage) {
		return nil
	}
	now, err := rootfs.Clock(stage)
	if err != nil {
		return err
	}
	r.Sealed = now.UTC()
	t := &tree{stage, map[string]*os.Root{}}
	defer t.forget()
	for n, e := range r.Entries {
		if e.Type != record.File {
			continue
		}
		info, err := t.lstat(e.Path)
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() || info.Size() != e.Size {
			return fmt.Errorf("%s is not what was written there", e.Path)
		}
		r.Entries[n].Stamp = record.Stamp(rootfs.StampOf(info))
	}
	return nil
}
