package record

import "time"

// A Stamp is what the file system reported about a file once it was installed. While
// the file system reports the same, the file is unchanged and need not be hashed. A
// different stamp proves nothing: the file is then hashed.
type Stamp struct {
	Inode    uint64
	Modified int64 // last change of the content, in nanoseconds since 1970
	Changed  int64 // last change of content or metadata; programs cannot set it
}

// IsZero reports whether s is unset.
func (s Stamp) IsZero() bool { return s == Stamp{} }

// A file system's clock has a granularity, and a change within the same tick as the
// reading of a stamp would not alter the stamp. So a file's last change must lie
// settleTime before the receipt is sealed. At most maxSealing of that may pass after its
// stamp was read, since reading all stamps takes a while. The file systems whose stamps
// kist relies on have ticks of some milliseconds.
const (
	settleTime = 2 * time.Second
	maxSealing = 1 * time.Second
)

// SealedAt returns the value of Sealed for a receipt whose stamps were read between began
// and ended, by the clock of their file system.
func SealedAt(began, ended time.Time) time.Time {
	if latest := began.Add(maxSealing); ended.After(latest) {
		return latest
	}
	return ended
}

// StampTrusted reports whether the stamp of e can be relied on: e is a file whose last change
// was long enough before r was sealed.
func (r Receipt) StampTrusted(e Entry) bool {
	return e.Type == File && !e.Stamp.IsZero() && !r.StampsReadAt.IsZero() &&
		e.Stamp.Changed <= r.StampsReadAt.Add(-settleTime).UnixNano()
}

// StampMatches reports whether the size and the current stamp of a file prove that it is
// unchanged since r was written.
func (r Receipt) StampMatches(e Entry, size int64, now Stamp) bool {
	return r.StampTrusted(e) && e.Size == size && e.Stamp == now
}
