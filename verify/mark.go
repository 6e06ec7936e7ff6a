package verify

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"time"
)

const (
	// MaxSkew is how far a document may be issued ahead of the clock.
	MaxSkew = 5 * time.Minute
	// MaxLife is the longest time a native manifest may stay valid.
	MaxLife = 400 * 24 * time.Hour
)

// A Mark is the newest state of a channel that was proved: the memory that
// stops downgrade, equivocation and freeze. Channels count by Serial (native;
// the tree size of a checksum database) or, where Serial is 0, by Issued (Rust,
// Debian). The zero Mark belongs to a source that publishes nothing to count by.
type Mark struct {
	Channel string `json:"channel"`
	// Line is the one that the mark counts, of a channel whose releases move
	// on several lines by themselves (Rust's stable, beta and nightly).
	Line    string    `json:"line,omitempty"`
	Serial  uint64    `json:"serial,omitempty"`
	Issued  time.Time `json:"issued,omitzero"`
	Expires time.Time `json:"expires,omitzero"` // zero: upstream gives none
	Digest  Digest    `json:"digest,omitzero"`  // of the proved manifest
	// Head is the signed tree head of a checksum database, from which the
	// next, larger tree is proved to descend. Empty for other sources.
	Head []byte `json:"head,omitempty"`
	// Keys is the edition of the channel's own keys that proved the manifest.
	Keys KeysMark `json:"keys,omitzero"`
	// Fixed says that the manifest is of something that never moves, such as
	// one exact version: nothing is newer or older than it, and the clock alone
	// judges it. Such a mark is never stored.
	Fixed bool `json:"fixed,omitempty"`
	// Lines holds, in the mark of several lines together, the mark of each by
	// name; Issued is then the newest of theirs, and the rest empty. Such is the
	// stored mark of a channel whose lines are proved one by one, and the mark of
	// what is proved in one piece of all of its lines (Debian's suites).
	Lines map[string]Mark `json:"lines,omitempty"`
	// Excerpt is the digest of what a source took out of the documents that the
	// mark is of, once they were proved, to read it in their place as long as they
	// are the newest. It counts nothing; see Excerpted.
	Excerpt Digest `json:"excerpt,omitzero"`
}

// Excerpted proves that data is the excerpt which m remembers. The error is a
// *DigestError where it is another, and matches ErrUntrusted where m has none.
func (m Mark) Excerpted(data []byte) (Document, error) {
	name := "excerpt of channel " + m.name()
	if m.Excerpt.IsZero() {
		return Document{}, fmt.Errorf("%s: %w: none is remembered", name, ErrUntrusted)
	}
	if err := Check(name, bytes.NewReader(data), -1, m.Excerpt); err != nil {
		return Document{}, err
	}
	return Document{data, Evidence{Kind: ByDigest, Name: name, Digest: m.Excerpt}}, nil
}

// Together is the mark of what consists of several lines, each named by its Line.
func Together(channel string, lines ...Mark) Mark {
	all := Mark{Channel: channel, Lines: map[string]Mark{}}
	for _, line := range lines {
		all.Lines[line.Line] = line
		if line.Issued.After(all.Issued) {
			all.Issued = line.Issued
		}
	}
	return all
}

// Of is m under the name that a channel goes by, in every line.
func (m Mark) Of(channel string) Mark {
	m.Channel = channel
	if m.Lines != nil {
		lines := make(map[string]Mark, len(m.Lines))
		for name, line := range m.Lines {
			lines[name] = line.Of(channel)
		}
		m.Lines = lines
	}
	return m
}

// On is the mark of one line of m: m itself for the empty name, zero for a line
// that was never seen.
func (m Mark) On(line string) Mark {
	if line == "" {
		return m
	}
	return m.Lines[line]
}

// With is m once newer, a mark of one of its lines, has been proved.
func (m Mark) With(newer Mark) Mark {
	if newer.Line == "" {
		return newer
	}
	all := Mark{Channel: newer.Channel, Issued: newer.Issued, Lines: map[string]Mark{}}
	for name, line := range m.Lines {
		all.Lines[name] = line
	}
	all.Lines[newer.Line] = newer
	if m.Issued.After(all.Issued) {
		all.Issued = m.Issued
	}
	return all
}

// IsZero reports whether m counts nothing.
func (m Mark) IsZero() bool { return m.Serial == 0 && m.Issued.IsZero() }

// name is how errors call what m counts.
func (m Mark) name() string {
	if m.Line == "" {
		return m.Channel
	}
	return m.Channel + " (" + m.Line + ")"
}

func (m Mark) number() string {
	if m.Serial > 0 {
		return fmt.Sprintf("serial %d", m.Serial)
	}
	return "date " + m.Issued.UTC().Format(time.DateOnly)
}

// Same reports whether m counts what last counts, under the same keys.
func (m Mark) Same(last Mark) bool {
	if len(m.Lines) != len(last.Lines) {
		return false
	}
	for name, line := range m.Lines {
		if !line.Same(last.Lines[name]) {
			return false
		}
	}
	return m.Serial == last.Serial && m.Digest == last.Digest && m.Issued.Equal(last.Issued) && m.Keys == last.Keys
}

// Fresh judges m against the clock alone. It returns an *ExpiredError if m was
// issued more than MaxSkew after now, has expired, expires no later than it was
// issued, or lives longer than MaxLife. A Mark without dates is always fresh, and
// one of several lines where each of them is.
func (m Mark) Fresh(now time.Time) error {
	for _, name := range m.lines() {
		if err := m.Lines[name].Fresh(now); err != nil {
			return err
		}
	}
	fail := func(format string, args ...any) error {
		return &ExpiredError{Channel: m.Channel, Issued: m.Issued, Expires: m.Expires, Now: now,
			Rule: fmt.Sprintf(format, args...)}
	}
	stamp := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	switch {
	case m.Issued.After(now.Add(MaxSkew)):
		return fail("issued at %s, which is in the future (it is %s here)", stamp(m.Issued), stamp(now))
	case m.Expires.IsZero():
		return nil
	case !m.Expires.After(m.Issued):
		return fail("expires at %s, not after it was issued at %s", stamp(m.Expires), stamp(m.Issued))
	case m.Expires.Sub(m.Issued) > MaxLife:
		return fail("valid for %d days, over the limit of %d", int(m.Expires.Sub(m.Issued).Hours()/24), int(MaxLife.Hours()/24))
	case !now.Before(m.Expires):
		return fail("expired at %s (it is %s here)", stamp(m.Expires), stamp(now))
	}
	return nil
}

// Supersedes judges m as the successor of last, the mark stored before it. The
// clock counts as never earlier than last.Issued, so that setting it back does
// not bring an expired manifest to life. A zero last accepts any fresh m. It
// returns an *ExpiredError as Fresh does, or a *DowngradeError if m counts lower
// than last, or the same with another Digest, or a *RotationError if older keys
// proved it. A Fixed m is only held against the clock. Where the keys of m
// restart the count, it is last.Rekeyed that m has to follow. Of several lines
// together each is judged by itself, and one that last has and m lacks is a
// *WithheldError.
func (m Mark) Supersedes(last Mark, now time.Time) error {
	if len(m.Lines) > 0 {
		return m.eachSupersedes(last, now)
	}
	if now.Before(last.Issued) {
		now = last.Issued
	}
	if err := m.Fresh(now); err != nil {
		return err
	}
	if m.Fixed {
		return nil
	}
	if m.Keys.Version < last.Keys.Version {
		return &RotationError{Channel: m.Channel, Have: last.Keys.Version, Got: m.Keys.Version}
	}
	if last = last.Rekeyed(m.Keys); last.IsZero() {
		return nil
	}
	older := m.Serial < last.Serial
	same := m.Serial == last.Serial
	if m.Serial == 0 && last.Serial == 0 {
		older = m.Issued.Before(last.Issued)
		same = m.Issued.Equal(last.Issued)
	}
	if older || same && m.Digest != last.Digest && !last.Digest.IsZero() {
		return &DowngradeError{Have: last, Got: m}
	}
	return nil
}

func (m Mark) eachSupersedes(last Mark, now time.Time) error {
	if now.Before(last.Issued) {
		now = last.Issued
	}
	for _, name := range m.lines() {
		if err := m.Lines[name].Supersedes(last.Lines[name], now); err != nil {
			return err
		}
	}
	for _, name := range last.lines() {
		if _, ok := m.Lines[name]; !ok {
			return &WithheldError{Channel: m.Channel, Line: name, Seen: last.Lines[name].Issued}
		}
	}
	return nil
}

// lines are the names of m's lines, in order.
func (m Mark) lines() []string { return slices.Sorted(maps.Keys(m.Lines)) }

// Within is m without the lines that other does not have, where other has any.
func (m Mark) Within(other Mark) Mark {
	if len(other.Lines) == 0 {
		return m
	}
	var kept []Mark
	for name, line := range m.Lines {
		if _, ok := other.Lines[name]; ok {
			kept = append(kept, line)
		}
	}
	return Together(m.Channel, kept...)
}
