package verify

import (
	"fmt"
	"time"
)

// KeysMark records the newest accepted edition of a channel's keys, for channels
// that publish a signed document of their keys. The zero value means none. A mark
// stores all of it, as JSON; the channel's settings store version and digest, as TOML.
type KeysMark struct {
	Version uint64 `json:"version" toml:"version"`
	Digest  Digest `json:"digest" toml:"digest"` // of the document
	// Restart is the serial from which manifests are numbered again since version
	// Restarted of the keys. It applies once, when that version or a later one is
	// first accepted. 0 means that the numbering continues.
	Restart   uint64 `json:"restart,omitempty" toml:"-"`
	Restarted uint64 `json:"restarted,omitempty" toml:"-"`
}

// IsZero reports whether no such document was accepted.
func (k KeysMark) IsZero() bool { return k.Version == 0 }

// Rekeyed returns m after the keys of k were accepted. If they are newer than
// those of m and restart the numbering, m continues from k.Restart. A mark can
// decrease in no other way.
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

// RotationError reports that the keys document a channel serves does not follow
// the one that was seen: it is older, has a different text under the same
// version, or is missing. The newest one is being withheld.
type RotationError struct {
	Channel string
	Have    uint64 // version that was seen
	Got     uint64 // version that is served, 0 if none
	Missing string // the missing document that leads from Have to Got, if that is the problem
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

func (e *RotationError) Unwrap() error { return ErrStale }
