package record

import "time"

// A Stamp is what the file system said of a file once it was in place. As long
// as it says the same, nobody has touched the file. It is a saving, never a
// belief: what has another stamp is hashed.
type Stamp struct {
	Inode    uint64
	Modified int64 // when its content was last changed, in nanoseconds since 1970
	Changed  int64 // when anything of it was, which nobody can set
}

// IsZero reports whether s was never set.
func (s Stamp) IsZero() bool { return s == Stamp{} }

// A file system tells time in steps, and a change right after a stamp was read,
// within the same step, would leave no trace. So a file must have been left alone for
// settling when its receipt is sealed. Of that, maxSealing at most may have gone by
// since its stamp was read: reading them all takes a while. The steps of the file
// systems whose stamps are relied on are some milliseconds.
const (
	settling   = 2 * time.Second
	maxSealing = 1 * time.Second
)

// SealedAt is the time of sealing of a receipt, whose stamps were read between began
// and ended, by the clock of their file system.
func SealedAt(began, ended time.Time) time.Time {
	if latest := began.Add(maxSealing); ended.After(latest) {
		return latest
	}
	return ended
}

// Settled reports whether the stamp of e can prove anything: it is one of a file that
// had been left alone for long enough when r was sealed.
func (r Receipt) Settled(e Entry) bool {
	return e.Type == File && !e.Stamp.IsZero() && !r.Sealed.IsZero() &&
		e.Stamp.Changed <= r.Sealed.Add(-settling).UnixNano()
}

// Untouched reports whether a file that now has this size and stamp is proved
// to be as it was when r was written.
func (r Receipt) Untouched(e Entry, size int64, now Stamp) bool {
	return r.Settled(e) && e.Size == size && e.Stamp == now
}
