package verify

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"time"
)

const (
	// maxSkew is how far a document may be issued ahead of the clock.
	maxSkew = 5 * time.Minute
	// MaxLife is the longest time a native manifest may stay valid.
	MaxLife = 400 * 24 * time.Hour
)

// Mark is the newest proved state of a channel. Remembering it stops downgrade,
// equivocation and freeze. Channels are ordered by Serial (native; the tree size
// of a checksum database) or, if Serial is 0, by Issued (Rust, Debian). The zero
// Mark is that of a source that publishes neither.
type Mark struct {
	Channel string `json:"channel"`
	// Line is the line that the mark is for, if the channel publishes several
	// independent lines of releases (Rust's stable, beta and nightly).
	Line    string    `json:"line,omitempty"`
	Serial  uint64    `json:"serial,omitempty"`
	Issued  time.Time `json:"issued,omitzero"`
	Expires time.Time `json:"expires,omitzero"` // zero: upstream states none
	Digest  Digest    `json:"digest,omitzero"`  // of the proved manifest
	// Head is the signed tree head of a checksum database, from which the
	// next, larger tree is proved to descend. Empty for other sources.
	Head []byte `json:"head,omitempty"`
	// Keys is the edition of the channel's own keys that proved the manifest.
	Keys KeysMark `json:"keys,omitzero"`
	// Fixed reports that the manifest describes something that never changes, such
	// as one exact version. Nothing is newer or older, so only the clock is
	// checked. Such a mark is never stored.
	Fixed bool `json:"fixed,omitempty"`
	// Lines holds the mark of each line by name, in a mark of several lines; then
	// Issued is the newest of theirs, and the other fields are empty. The stored
	// mark of a channel whose lines are proved separately is of this form, and so
	// is the mark of a manifest that covers all lines (Debian's suites).
	Lines map[string]Mark `json:"lines,omitempty"`
	// Excerpt is the digest of an extract that a source made of the proved
	// documents, to be read instead of them as long as they are the newest. It has
	// no part in the order of marks; see Excerpted.
	Excerpt Digest `json:"excerpt,omitzero"`
	// Withdrawn is what the newest manifest withdraws. Sights says when releases that
	// state no date were first seen on this machine, by "tool@version". Neither has a part
	// in the order of marks.
	Withdrawn []Withdrawal         `json:"withdrawn,omitempty"`
	Sights    map[string]time.Time `json:"sights,omitempty"`
}

// A Withdrawal is a publisher's statement that versions of a tool must not be used.
type Withdrawal struct {
	Tool string `json:"tool"`
	// Versions is a range of versions in the syntax of package manifests.
	Versions string `json:"versions"`
	Reason   string `json:"reason"`
	// Since is when the publisher withdrew them; zero: not stated.
	Since time.Time `json:"since,omitzero"`
	// ReplacedBy is the version to use instead, perhaps an older one; empty: none is named.
	ReplacedBy string `json:"replaced_by,omitempty"`
}

// maxSights is how many sights a mark holds. Each takes some 100 bytes.
const maxSights = 1024

// WithSight returns m, which also records that a release was first seen at the time at. If
// there are too many sights, the oldest is forgotten: that release, if it is met again,
// counts as new, which is the safe mistake.
func (m Mark) WithSight(release string, at time.Time) Mark {
	m.Sights = maps.Clone(m.Sights)
	if m.Sights == nil {
		m.Sights = map[string]time.Time{}
	}
	if len(m.Sights) >= maxSights {
		oldest := ""
		for name, seen := range m.Sights {
			if oldest == "" || seen.Before(m.Sights[oldest]) || seen.Equal(m.Sights[oldest]) && name < oldest {
				oldest = name
			}
		}
		delete(m.Sights, oldest)
	}
	m.Sights[release] = at
	return m
}

// Excerpted proves that data is the excerpt that m records. If it is not, the
// error is a *DigestError; if m has no excerpt, it matches ErrUntrusted.
func (m Mark) Excerpted(data []byte) (Document, error) {
	name := "excerpt of channel " + m.displayName()
	if m.Excerpt.IsZero() {
		return Document{}, fmt.Errorf("%s: %w: none is recorded", name, ErrUntrusted)
	}
	if err := Check(name, bytes.NewReader(data), -1, m.Excerpt); err != nil {
		return Document{}, err
	}
	return Document{data, Evidence{Kind: ByDigest, Name: name, Digest: m.Excerpt}}, nil
}

// JoinLines returns the mark of several lines, each of which has its Line set.
func JoinLines(channel string, lines ...Mark) Mark {
	all := Mark{Channel: channel, Lines: map[string]Mark{}}
	for _, line := range lines {
		all.Lines[line.Line] = line
		if line.Issued.After(all.Issued) {
			all.Issued = line.Issued
		}
	}
	return all
}

// Renamed returns m, with all of its lines, under the channel's name.
func (m Mark) Renamed(channel string) Mark {
	m.Channel = channel
	if m.Lines != nil {
		lines := make(map[string]Mark, len(m.Lines))
		for name, line := range m.Lines {
			lines[name] = line.Renamed(channel)
		}
		m.Lines = lines
	}
	return m
}

// LineMark returns the mark of a line of m: m itself for the empty name, zero for a line
// that was never seen.
func (m Mark) LineMark(line string) Mark {
	if line == "" {
		return m
	}
	return m.Lines[line]
}

// WithLine returns m with the mark of one line replaced by newer. If newer has no
// Line, it replaces m.
func (m Mark) WithLine(newer Mark) Mark {
	if newer.Line == "" {
		newer.Sights = m.Sights
		return newer
	}
	all := Mark{Channel: newer.Channel, Issued: newer.Issued, Lines: map[string]Mark{}, Sights: m.Sights}
	for name, line := range m.Lines {
		all.Lines[name] = line
	}
	all.Lines[newer.Line] = newer
	if m.Issued.After(all.Issued) {
		all.Issued = m.Issued
	}
	return all
}

// IsZero reports whether m has neither a serial nor a date.
func (m Mark) IsZero() bool { return m.Serial == 0 && m.Issued.IsZero() }

// displayName returns the channel and line of m for errors.
func (m Mark) displayName() string {
	if m.Line == "" {
		return m.Channel
	}
	return m.Channel + " (" + m.Line + ")"
}

// position returns the serial or date of m for errors.
func (m Mark) position() string {
	if m.Serial > 0 {
		return fmt.Sprintf("serial %d", m.Serial)
	}
	return "date " + m.Issued.UTC().Format(time.DateOnly)
}

// Same reports whether m and last are of the same manifest under the same keys.
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

// Fresh checks m against the clock only. It returns an *ExpiredError if m was
// issued more than maxSkew after now, has expired, expires no later than it was
// issued, or is valid longer than MaxLife. A Mark without dates is always fresh; a
// mark of several lines is fresh if each line is.
func (m Mark) Fresh(now time.Time) error {
	for _, name := range m.lineNames() {
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
	case m.Issued.After(now.Add(maxSkew)):
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

// Lapse returns m without the expiry of each manifest in it that has expired at now and
// that named returns true for, by its digest: so it is judged when somebody has named the
// very manifest that may be used for ever. expired is when the first of these expired, zero
// if there are none. Whatever else is wrong with a manifest stays wrong.
func (m Mark) Lapse(now time.Time, named func(Digest) bool) (lapsed Mark, expired time.Time) {
	if len(m.Lines) > 0 {
		lines := make(map[string]Mark, len(m.Lines))
		for name, line := range m.Lines {
			var at time.Time
			lines[name], at = line.Lapse(now, named)
			if !at.IsZero() && (expired.IsZero() || at.Before(expired)) {
				expired = at
			}
		}
		m.Lines = lines
		return m, expired
	}
	if m.Expires.IsZero() || now.Before(m.Expires) || m.Digest.IsZero() || m.Fresh(m.Expires.Add(-time.Nanosecond)) != nil || !named(m.Digest) {
		return m, expired
	}
	expired, m.Expires = m.Expires, time.Time{}
	return m, expired
}

// Supersedes checks that m may follow last, the mark stored before it. A zero last
// accepts any fresh m. A time earlier than last.Issued is replaced by
// last.Issued, so that setting the clock back does not make an expired manifest
// valid. Supersedes returns an *ExpiredError as Fresh does, a *DowngradeError if m
// is older than last or has the same serial or date with another Digest, or a
// *RotationError if older keys proved m. A Fixed m is only checked against the
// clock. If the keys of m restart the numbering, m must follow last.Rekeyed. Each
// of several lines is checked separately, and a line that last has and m lacks is
// a *WithheldError.
func (m Mark) Supersedes(last Mark, now time.Time) error {
	if len(m.Lines) > 0 {
		return m.linesSupersede(last, now)
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

// linesSupersede is Supersedes for a mark of several lines.
func (m Mark) linesSupersede(last Mark, now time.Time) error {
	if now.Before(last.Issued) {
		now = last.Issued
	}
	for _, name := range m.lineNames() {
		if err := m.Lines[name].Supersedes(last.Lines[name], now); err != nil {
			return err
		}
	}
	for _, name := range last.lineNames() {
		if _, ok := m.Lines[name]; !ok {
			return &WithheldError{Channel: m.Channel, Line: name, Seen: last.Lines[name].Issued}
		}
	}
	return nil
}

// lineNames returns the names of m's lines, sorted.
func (m Mark) lineNames() []string { return slices.Sorted(maps.Keys(m.Lines)) }

// OnlyLinesOf returns m without the lines that other lacks. If other has no lines, it
// returns m.
func (m Mark) OnlyLinesOf(other Mark) Mark {
	if len(other.Lines) == 0 {
		return m
	}
	var shared []Mark
	for name, line := range m.Lines {
		if _, ok := other.Lines[name]; ok {
			shared = append(shared, line)
		}
	}
	return JoinLines(m.Channel, shared...)
}
