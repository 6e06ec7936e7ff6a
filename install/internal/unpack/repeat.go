package unpack

import (
	"strings"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/verify"
)

// An archive may list a file or a link more than once, as some packers do when two of
// their patterns match it. That means one thing only if all listings are equal: the
// first is placed, and the others are compared with it.

// A listing is a file or a link that an archive listed before.
type listing struct {
	*node
	digest *verify.Digest // of a file, as this archive has it
}

// listedBefore returns the listing of to if this archive listed raw before, by the
// same name, and nil otherwise. Names that only the layout maps to one path are not the
// same.
func (f *filler) listedBefore(raw, to string) *listing {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.tree[to]
	if n == nil || n.Type == record.Dir {
		return nil
	}
	first, sum := n.raw, &n.Digest
	if n.from != f.owner {
		d := n.duplicateFrom(f.owner)
		if d == nil {
			return nil
		}
		first, sum = d.raw, &d.digest
	}
	if strings.TrimPrefix(first, "./") != strings.TrimPrefix(raw, "./") {
		return nil
	}
	return &listing{n, sum}
}

// compare refuses raw, listed once more as e, unless it equals the listing.
func (l *listing) compare(raw string, e record.Entry) error {
	what := ""
	switch {
	case l.Type != e.Type:
		what = "types"
	case l.Mode != e.Mode:
		what = "modes"
	case l.Target != e.Target:
		what = "targets"
	case l.Size != e.Size || e.Type == record.File && *l.digest != e.Digest:
		what = "contents"
	default:
		return nil
	}
	return refuse(RuleOnce, raw, "listed twice, with different %s", what)
}

// compareFile reads e, a file whose place is to, and compares it with the listing.
func (f *filler) compareFile(l *listing, to string, e entry) error {
	again := record.Entry{Type: record.File, Mode: f.mode(to, e.mode), Size: e.size}
	if l.Type == again.Type && l.Size == again.Size {
		if err := f.flush(); err != nil { // afterwards the digest of the first entry is known
			return err
		}
		var err error
		if again.Digest, err = f.copy(e); err != nil {
			return err
		}
	}
	return l.compare(e.name, again)
}
