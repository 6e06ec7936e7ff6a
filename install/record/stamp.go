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

// settling is how long before the stamps were read a file must have been left
// alone: a file system may tell time in steps of two seconds, and then a change
// right after the reading would have left no trace.
const settling = 2 * time.Second

// Untouched reports whether a file that now has this size and stamp is proved
// to be as it was when r was written.
func (r Receipt) Untouched(e Entry, size int64, now Stamp) bool {
	return e.Type == File && !e.Stamp.IsZero() && !r.Sealed.IsZero() &&
		e.Stamp.Changed <= r.Sealed.Add(-settling).UnixNano() && e.Size == size && e.Stamp == now
}
