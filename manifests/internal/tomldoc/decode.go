package tomldoc

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// An Error reports that a document is not valid TOML or is over one of its limits.
type Error struct {
	Line  int // counted from 1
	Rule  string
	Limit bool // it is over a limit
}

func (e *Error) Error() string { return e.Rule }

// LineOf returns the line of an error of this package, and 0 for any other error.
func LineOf(err error) int {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Line
	}
	return 0
}

// Decode decodes data as go-toml does into a map[string]any, in time and memory
// proportional to its size and to l. The error is an *Error.
func Decode(data []byte, l Limits) (map[string]any, error) {
	if err := l.Check(data); err != nil {
		return nil, err
	}
	d := decoder{names: map[string]string{}}
	d.root = newTable(explicit)
	d.current = d.root
	d.parser.Reset(data)
	for d.parser.NextExpression() {
		e := d.parser.Expression()
		if err := d.add(e); err != nil {
			return nil, &Error{Line: d.lineOf(e), Rule: strings.TrimPrefix(err.Error(), "toml: ")}
		}
	}
	if err := d.parser.Error(); err != nil {
		return nil, d.syntaxError(err)
	}
	return d.root.value(), nil
}

// A decoder builds the tree of a document.
type decoder struct {
	parser  unstable.Parser
	root    *table
	current *table            // the table of the last header
	names   map[string]string // every key, to store equal keys once
}

// A table is one table under construction. The rules for what may be added to it are in
// TOML 1.0, sections "Table" and "Array of Tables".
type table struct {
	definition definition
	keys       map[string]any // values, *table and *tables
}

// tables is an array of tables. Keys can be added only to the last one.
type tables struct {
	done []any
	last *table
}

// A definition is how a table was defined, which decides what may be added to it.
type definition int

const (
	explicit definition = iota // by its own header
	implicit                   // by the header of a table below it
	dotted                     // by a dotted key
)

func newTable(d definition) *table { return &table{d, map[string]any{}} }

// value converts t into plain maps and lists.
func (t *table) value() map[string]any {
	for key, v := range t.keys {
		switch v := v.(type) {
		case *table:
			t.keys[key] = v.value()
		case *tables:
			t.keys[key] = append(v.done, v.last.value())
		}
	}
	return t.keys
}

// add adds an expression to the tree.
func (d *decoder) add(e *unstable.Node) (err error) {
	switch e.Kind {
	case unstable.KeyValue:
		return d.addPair(d.current, e)
	case unstable.Table:
		d.current, err = d.open(e.Key())
	case unstable.ArrayTable:
		d.current, err = d.appendTo(e.Key())
	}
	return err
}

// addPair adds a key and its value to t. The parts of the key but the last are tables.
func (d *decoder) addPair(t *table, e *unstable.Node) error {
	for key := e.Key(); key.Next(); {
		name := d.name(key.Node())
		have, exists := t.keys[name]
		if key.IsLast() {
			if exists {
				return fmt.Errorf("key %s is already defined", name)
			}
			value, err := d.value(e.Value())
			if err != nil {
				return err
			}
			t.keys[name] = value
			return nil
		}
		if !exists {
			have = newTable(dotted)
			t.keys[name] = have
		}
		next, ok := have.(*table)
		if !ok || next.definition != dotted {
			return fmt.Errorf("key %s is already defined", name)
		}
		t = next
	}
	return nil
}

// open returns the table of a header [key].
func (d *decoder) open(key unstable.Iterator) (*table, error) {
	t, name, err := d.parent(key)
	if err != nil {
		return nil, err
	}
	switch have := t.keys[name].(type) {
	case nil:
		next := newTable(explicit)
		t.keys[name] = next
		return next, nil
	case *table:
		if have.definition == implicit {
			have.definition = explicit
			return have, nil
		}
	}
	return nil, fmt.Errorf("table %s already exists", name)
}

// appendTo returns a new table in the array of a header [[key]].
func (d *decoder) appendTo(key unstable.Iterator) (*table, error) {
	t, name, err := d.parent(key)
	if err != nil {
		return nil, err
	}
	next := newTable(explicit)
	switch have := t.keys[name].(type) {
	case nil:
		t.keys[name] = &tables{last: next}
	case *tables:
		have.done, have.last = append(have.done, have.last.value()), next
	default:
		return nil, fmt.Errorf("key %s already exists, and is not an array of tables", name)
	}
	return next, nil
}

// parent returns the table that contains the last part of a header's key, and that
// part.
func (d *decoder) parent(key unstable.Iterator) (t *table, last string, err error) {
	t = d.root
	for key.Next() {
		name := d.name(key.Node())
		if key.IsLast() {
			return t, name, nil
		}
		switch have := t.keys[name].(type) {
		case nil:
			next := newTable(implicit)
			t.keys[name] = next
			t = next
		case *table:
			t = have
		case *tables:
			t = have.last
		default:
			return nil, "", fmt.Errorf("key %s already exists as a value", name)
		}
	}
	return nil, "", errors.New("a header without a key")
}

// value returns the value of a parser node.
func (d *decoder) value(n *unstable.Node) (any, error) {
	switch n.Kind {
	case unstable.String:
		return string(n.Data), nil
	case unstable.Bool:
		return string(n.Data) == "true", nil
	case unstable.Integer:
		if i, err := strconv.ParseInt(string(n.Data), 10, 64); err == nil {
			return i, nil
		}
	case unstable.Array:
		list := []any{}
		for each := n.Children(); each.Next(); {
			value, err := d.value(each.Node())
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		return list, nil
	case unstable.InlineTable:
		t := newTable(explicit)
		for each := n.Children(); each.Next(); {
			if err := d.addPair(t, each.Node()); err != nil {
				return nil, err
			}
		}
		return t.value(), nil
	}
	return scalar(n.Data)
}

// scalar decodes a number, a date or a time with go-toml.
func scalar(text []byte) (any, error) {
	var one map[string]any
	err := toml.Unmarshal(append([]byte("v = "), text...), &one)
	return one["v"], err
}

// name returns one part of a key. Documents repeat a few names very often, so each is
// stored once.
func (d *decoder) name(n *unstable.Node) string {
	name, ok := d.names[string(n.Data)]
	if !ok {
		name = string(n.Data)
		d.names[name] = name
	}
	return name
}

// lineOf returns the line of an expression's key.
func (d *decoder) lineOf(e *unstable.Node) int {
	key := e.Key()
	key.Next()
	return d.parser.Shape(key.Node().Raw).Start.Line
}

// syntaxError converts an error of the parser.
func (d *decoder) syntaxError(err error) error {
	line := 1 + bytes.Count(d.parser.Data(), []byte("\n"))
	if e, ok := errors.AsType[*unstable.ParserError](err); ok && len(e.Highlight) > 0 {
		line = d.parser.Shape(d.parser.Range(e.Highlight)).Start.Line
	}
	return &Error{Line: line, Rule: err.Error()}
}
