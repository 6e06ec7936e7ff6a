package tomldoc

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// A Table reads one table of a decoded document. Each key is read once, by its exact
// name and type; go-toml's struct decoding would ignore case. All tables of a document
// share the first error, a *RuleError; what is read after an error may be empty.
type Table struct {
	keys  map[string]any
	where string
	item  bool // of a list
	first *error
}

// A RuleError reports where and how a document breaks the rules of its format.
type RuleError struct {
	Where string // "pkg.rust", "release 2, artifact 1"; empty: the document itself
	Rule  string
}

func (e *RuleError) Error() string {
	if e.Where == "" {
		return e.Rule
	}
	return e.Where + ": " + e.Rule
}

// NewTable returns the table of a whole document.
func NewTable(keys map[string]any) *Table { return &Table{keys: keys, first: new(error)} }

// Fail records an error at t, unless there is one already.
func (t *Table) Fail(format string, args ...any) {
	if *t.first == nil {
		*t.first = &RuleError{t.where, fmt.Sprintf(format, args...)}
	}
}

// Err returns the first error of the document.
func (t *Table) Err() error { return *t.first }

// End returns the first error of the document. A key that was not read is an error.
func (t *Table) End() error {
	if len(t.keys) > 0 {
		t.Fail("unknown key %q", t.Keys()[0])
	}
	return t.Err()
}

// Locate replaces how errors name t.
func (t *Table) Locate(where string) { t.where = where }

// Where returns how errors name t.
func (t *Table) Where() string { return t.where }

// Keys returns the keys that were not read, in order.
func (t *Table) Keys() []string { return slices.Sorted(maps.Keys(t.keys)) }

// AtMost checks that t has at most limit keys.
func (t *Table) AtMost(limit int) {
	if len(t.keys) > limit {
		t.Fail("%d entries, over the limit of %d", len(t.keys), limit)
	}
}

// Has reports whether t has key, and it was not read.
func (t *Table) Has(key string) bool { _, ok := t.keys[key]; return ok }

// IsList reports whether the value of key, which was not read, is a list.
func (t *Table) IsList(key string) bool { _, ok := t.keys[key].([]any); return ok }

// IsNumber reports whether the value of key, which was not read, is a number.
func (t *Table) IsNumber(key string) bool {
	switch t.keys[key].(type) {
	case int64, float64:
		return true
	}
	return false
}

// IsTable reports whether the value of key, which was not read, is a table.
func (t *Table) IsTable(key string) bool { _, ok := t.keys[key].(map[string]any); return ok }

// read removes key from t and returns its value, which must be a T. kind is the name of
// T in errors.
func read[T any](t *Table, key, kind string) (value T) {
	raw, ok := t.keys[key]
	delete(t.keys, key)
	if !ok {
		t.Fail("%s is missing", key)
		return value
	}
	if value, ok = raw.(T); !ok {
		t.Fail("%s is not %s", key, kind)
	}
	return value
}

// Text reads a string.
func (t *Table) Text(key string) string { return read[string](t, key, "a string") }

// Bool reads true or false.
func (t *Table) Bool(key string) bool { return read[bool](t, key, "true or false") }

// Time reads a time with its zone.
func (t *Table) Time(key string) time.Time { return read[time.Time](t, key, "a time with its zone") }

// Number reads a whole number from low to high.
func (t *Table) Number(key string, low, high int64) int64 {
	n := read[int64](t, key, "a whole number")
	switch {
	case n < low:
		t.Fail("%s is %d, less than %d", key, n, low)
	case n > high:
		t.Fail("%s is %d, over the limit of %d", key, n, high)
	}
	return n
}

// Format reads the version of the document's format, which must be want.
func (t *Table) Format(want int64) {
	if n := read[int64](t, "format", "a whole number"); n != want {
		t.Fail("format %d is not known", n)
	}
}

// list reads a list of at most limit Ts, which may be missing.
func list[T any](t *Table, key, kind string, limit int) (list []T) {
	if !t.Has(key) {
		return nil
	}
	raw := read[[]any](t, key, "a list of "+kind+"s")
	if len(raw) > limit {
		t.Fail("%d entries of %s, over the limit of %d", len(raw), key, limit)
		return nil
	}
	for _, r := range raw {
		one, ok := r.(T)
		if !ok {
			t.Fail("%s holds something that is not a %s", key, kind)
		}
		list = append(list, one)
	}
	return list
}

// Texts reads a list of at most limit strings, which may be missing.
func (t *Table) Texts(key string, limit int) []string { return list[string](t, key, "string", limit) }

// Tables reads a list of at most limit tables, which may be missing.
func (t *Table) Tables(key string, limit int) (tables []*Table) {
	for i, keys := range list[map[string]any](t, key, "table", limit) {
		one := t.below(fmt.Sprintf("%s %d", key, i+1), keys)
		one.item = true
		tables = append(tables, one)
	}
	return tables
}

// Rows is like Tables for a list that may also hold strings. A string is read as a table
// that has only the key short.
func (t *Table) Rows(key, short string, limit int) (tables []*Table) {
	raw, isList := t.keys[key].([]any)
	if !isList {
		return t.Tables(key, limit)
	}
	rows := make([]any, len(raw))
	for i, row := range raw {
		if text, ok := row.(string); ok {
			row = map[string]any{short: text}
		}
		rows[i] = row
	}
	t.keys[key] = rows
	return t.Tables(key, limit)
}

// Table reads a table.
func (t *Table) Table(key string) *Table {
	return t.below(key, read[map[string]any](t, key, "a table"))
}

// Optional is like Table, but a table that is missing is empty.
func (t *Table) Optional(key string) *Table {
	if !t.Has(key) {
		return t.below(key, nil)
	}
	return t.Table(key)
}

func (t *Table) below(key string, keys map[string]any) *Table {
	where := key
	switch {
	case t.item:
		where = t.where + ", " + key
	case t.where != "":
		where = t.where + "." + key
	}
	return &Table{keys: keys, where: where, first: t.first}
}
