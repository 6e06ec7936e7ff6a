package rust

import (
	"fmt"

	"github.com/kist-tools/kist/manifests"
)

// A table reads one TOML table. All tables of a manifest share the first error found;
// after it, values read are empty.
type table struct {
	keys  map[string]any
	where string
	fault *error
}

func (t *table) fail(format string, args ...any) {
	if *t.fault == nil {
		*t.fault = &FormatError{t.where, fmt.Sprintf(format, args...)}
	}
}

func (t *table) below(key string) string {
	if t.where == "" {
		return key
	}
	return t.where + "." + key
}

// lookup returns the value of a key, which must exist.
func lookup[T any](t *table, key, kind string) (value T) {
	raw, ok := t.keys[key]
	if !ok {
		t.fail("%s is missing", key)
		return value
	}
	if value, ok = raw.(T); !ok {
		t.fail("%s is not %s", key, kind)
	}
	return value
}

func (t *table) text(key string) string { return lookup[string](t, key, "a string") }

func (t *table) boolean(key string) bool { return lookup[bool](t, key, "true or false") }

func (t *table) table(key string) *table {
	return &table{lookup[map[string]any](t, key, "a table"), t.below(key), t.fault}
}

// optional is like table, but the key may be missing.
func (t *table) optional(key string) *table {
	if _, ok := t.keys[key]; !ok {
		return &table{nil, t.below(key), t.fault}
	}
	return t.table(key)
}

// list returns an array, which may be missing.
func (t *table) list(key string) []any {
	if _, ok := t.keys[key]; !ok {
		return nil
	}
	list := lookup[[]any](t, key, "an array")
	if len(list) > MaxList {
		t.fail("%s has %d elements, over the limit of %d", key, len(list), MaxList)
		return nil
	}
	return list
}

func (t *table) texts(key string) (texts []string) {
	for _, raw := range t.list(key) {
		text, ok := raw.(string)
		if !ok {
			t.fail("%s holds something that is not a string", key)
		}
		texts = append(texts, text)
	}
	return texts
}

// components reads an array of {pkg, target}. If optional is set all of them are
// optional, otherwise those that are marked so.
func (t *table) components(key string, optional bool) (list []component) {
	for _, raw := range t.list(key) {
		keys, ok := raw.(map[string]any)
		if !ok {
			t.fail("%s holds something that is not a table", key)
		}
		one := &table{keys, t.below(key), t.fault}
		c := component{pkg: one.text("pkg"), target: one.text("target"), optional: optional}
		if _, ok := keys["is_extension"]; ok && one.boolean("is_extension") {
			c.optional = true
		}
		list = append(list, c)
	}
	return list
}

func (t *table) atMost(limit int) {
	if len(t.keys) > limit {
		t.fail("%d entries, over the limit of %d", len(t.keys), limit)
	}
}

// checkName checks a key that becomes part of file names.
func (t *table) checkName(key string) {
	if err := manifests.ValidName(key); err != nil {
		t.fail("name %v", err)
	}
}
