package install

import (
	"time"

	"github.com/kist-tools/kist/install/record"
)

// usedAgain is how old the recorded use of a release must be before it is recorded again:
// the last use is known to the day, and costs a command no more than one look at a file.
const usedAgain = 24 * time.Hour

// NoteUse records that the releases ids, of this store, are used today. Failures do not
// matter: a release that nobody can record as used looks unused for longer.
func (i *Installer) NoteUse(ids ...record.ID) {
	if !i.o.DryRun && i.MayChange() == nil {
		i.noteUse(ids...)
	}
}

func (i *Installer) noteUse(ids ...record.ID) {
	for _, id := range ids {
		if last, err := i.LastUse(id); err == nil && i.o.Now.Sub(last) >= usedAgain {
			i.store().NoteUse(id, i.o.Now)
		}
	}
}

// LastUse returns when the release id was last installed, started by kist, or in force, to
// the day. What starts without kist, by a link or by its path, does not count.
func (i *Installer) LastUse(id record.ID) (time.Time, error) { return i.store().LastUse(id) }
