package verify

import (
	"fmt"
	"time"
)

// A KeysMark is the newest edition of a channel's own keys that was taken, for
// channels that publish a signed document of their keys. Zero: none.
type KeysMark struct {
	Version uint64 `json:"version"`
	Digest  Digest `json:"digest"` // of the document
	// Restart is the serial from which manifests count anew since version
	// Restarted, and so for whoever takes that version or a later one for the
	// first time. 0: they count on.
	Restart   uint64 `json:"restart,omitempty"`
	Restarted uint64 `json:"restarted,omitempty"`
}

// IsZero reports whether no such document was taken.
func (k KeysMark) IsZero() bool { return k.Version == 0 }

// Rekeyed is m once the keys of k were taken: where they are newer than those of
// m and restart the count, manifests count from there. This is the one way in
// which a mark ever goes down.
func (m Mark) Rekeyed(k KeysMark) Mark {
	if k.Version <= m.Keys.Version {
		return m
	}
	if k.Restart > 0 && k.Restarted > m.Keys.Version {
		m.Serial, m.Digest, m.Expires = k.Restart, Digest{}, time.Time{}
	}
	m.Keys = k
	return m
}

// A RotationError says that the keys document a channel serves does not follow
// the one that was seen: it is older, another under the same version, or
// missing. Somebody withholds the newest one.
type RotationError struct {
	Channel string
	Have    uint64 // version that was seen
	Got     uint64 // version that is served; 0: none
	Missing string // the document that leads from the one to the other, where that is what is missing
}

func (e *RotationError) Error() string {
	switch {
	case e.Missing != "":
		return fmt.Sprintf("channel %s: its keys are at version %d, and %s, which leads there from version %d, is missing",
			e.Channel, e.Got, e.Missing, e.Have)
	case e.Got == 0:
		return fmt.Sprintf("channel %s: version %d of its keys was seen, and no keys document is served", e.Channel, e.Have)
	case e.Got == e.Have:
		return fmt.Sprintf("channel %s: a different text under version %d of its keys, which was already seen with another", e.Channel, e.Got)
	}
	return fmt.Sprintf("channel %s: version %d of its keys is older than version %d, which was already seen", e.Channel, e.Got, e.Have)
}

// Is reports that what was served is out of date or out of order.
func (e *RotationError) Is(target error) bool { return target == ErrStale }
