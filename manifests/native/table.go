package native

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/kist-tools/kist/manifests/internal/tomldoc"
	"github.com/kist-tools/kist/verify"
)

// A FormatError reports where and how a document of a channel breaks its format.
type FormatError struct {
	Document string // "keys document"; empty: the manifest
	Where    string // "line 3", "release 2 (zig 0.14.0), artifact 1"; empty: the document itself
	Rule     string
}

func (e *FormatError) Error() string {
	what := cmp.Or(e.Document, "manifest")
	if e.Where != "" {
		what += ": " + e.Where
	}
	return what + ": " + e.Rule
}

// Is makes e match verify.ErrUntrusted.
func (e *FormatError) Is(target error) bool { return target == verify.ErrUntrusted }

// A table is one TOML table being read. Each key is read once, by its exact name and
// type; go-toml's struct decoding would ignore case. err is the first error. A key
// that was not read is an unknown key.
type table struct {
	keys  map[string]any
	where string
	err   error
}

// partLimits limits one call of the decoder, which decodes one release, or the keys
// before the first release. A release of MaxList artifacts with MaxList URLs each uses
// a fifth of it.
var partLimits = tomldoc.Limits{Tables: 4096, Keys: 16 << 10, Values: 512 << 10}

// readTables decodes a document that consists of some keys and a list of tables. It
// calls root with the keys, then each with every table in turn. It decodes one table
// at a time, so that a large document takes little time and memory. It returns the
// first error: a *FormatError, or one of root or each.
func readTables(data []byte, list string, root, each func(*table) error) error {
	n, first, inline := 0, true, false
	for part := range tomldoc.Split(data) {
		keys, err := tomldoc.Decode(part.Text, partLimits)
		if err != nil {
			return &FormatError{Where: fmt.Sprintf("line %d", part.Line-1+tomldoc.LineOf(err)), Rule: err.Error()}
		}
		t := &table{keys: keys}
		if !first && inline && t.has(list) {
			t.fail("%s is given twice", list)
		}
		tables := t.tables(list, math.MaxInt)
		if first {
			first, inline = false, len(tables) > 0
			err = root(t)
		}
		if err == nil {
			err = t.end()
		}
		if err != nil {
			return err
		}
		for _, one := range tables {
			n++
			one.where = fmt.Sprintf("%s %d", list, n)
			if err := each(one); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *table) fail(format string, args ...any) {
	if t.err == nil {
		t.err = &FormatError{Where: t.where, Rule: fmt.Sprintf(format, args...)}
	}
}

// end returns the first error, or an error for a key that was not read.
func (t *table) end() error {
	if len(t.keys) > 0 {
		t.fail("unknown key %q", slices.Min(slices.Collect(maps.Keys(t.keys))))
	}
	return t.err
}

func (t *table) has(key string) bool { _, ok := t.keys[key]; return ok }

// read removes key from t and returns its value, which must be a T. kind is the name of
// T in errors.
func read[T any](t *table, key, kind string) (value T) {
	raw, ok := t.keys[key]
	delete(t.keys, key)
	if !ok {
		t.fail("%s is missing", key)
		return value
	}
	if value, ok = raw.(T); !ok {
		t.fail("%s is not %s", key, kind)
	}
	return value
}

func (t *table) text(key string) string       { return read[string](t, key, "a string") }
func (t *table) flag(key string) bool         { return t.has(key) && read[bool](t, key, "true or false") }
func (t *table) instant(key string) time.Time { return read[time.Time](t, key, "a time with its zone") }

// number reads a whole number from low to high.
func (t *table) number(key string, low, high int64) int64 {
	n := read[int64](t, key, "a whole number")
	switch {
	case n < low:
		t.fail("%s is %d, less than %d", key, n, low)
	case n > high:
		t.fail("%s is %d, over the limit of %d", key, n, high)
	}
	return n
}

func (t *table) serial(key string) uint64 { return uint64(max(0, t.number(key, 1, math.MaxInt64))) }

// texts reads a list of at most limit strings, which may be missing.
func (t *table) texts(key string, limit int) []string {
	if !t.has(key) {
		return nil
	}
	raw := read[[]any](t, key, "a list")
	if len(raw) > limit {
		t.fail("%d %s, over the limit of %d", len(raw), key, limit)
		return nil
	}
	var list []string
	for _, r := range raw {
		s, ok := r.(string)
		if !ok {
			t.fail("%s holds something that is not a string", key)
		}
		list = append(list, s)
	}
	return list
}

// table reads the table at key.
func (t *table) table(key string) *table {
	inner := &table{keys: read[map[string]any](t, key, "a table"), where: t.where + key}
	if t.where != "" {
		inner.where = t.where + ", " + key
	}
	return inner
}

// tables reads a list of at most limit tables, which may be missing.
func (t *table) tables(key string, limit int) []*table {
	if !t.has(key) {
		return nil
	}
	raw := read[[]any](t, key, "a list of tables")
	if len(raw) > limit {
		t.fail("%d entries of %s, over the limit of %d", len(raw), key, limit)
		return nil
	}
	var list []*table
	for i, r := range raw {
		keys, ok := r.(map[string]any)
		if !ok {
			t.fail("%s holds something that is not a table", key)
		}
		where := fmt.Sprintf("%s %d", key, i+1)
		if t.where != "" {
			where = t.where + ", " + where
		}
		list = append(list, &table{keys: keys, where: where})
	}
	return list
}
