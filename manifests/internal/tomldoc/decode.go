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

// A SyntaxError says that a document is not TOML.
type SyntaxError struct {
	Line int // counted from 1
	Rule string
}

func (e *SyntaxError) Error() string { return e.Rule }

// LineOf is the line of an error of this package, 0 if err is another.
func LineOf(err error) int {
	if over, ok := errors.AsType[*LimitError](err); ok {
		return over.Line
	}
	if broken, ok := errors.AsType[*SyntaxError](err); ok {
		return broken.Line
	}
	return 0
}

// Decode returns what data says, as go-toml decodes it into a map[string]any,
// in time and memory that are proportional to its size and to l. Errors are
// *LimitError and *SyntaxError.
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
			return nil, &SyntaxError{d.lineOf(e), strings.TrimPrefix(err.Error(), "toml: ")}
		}
	}
	if err := d.parser.Error(); err != nil {
		return nil, d.broken(err)
	}
	return d.root.value(), nil
}

// A decoder builds the tree of a document.
type decoder struct {
	parser  unstable.Parser
	root    *table
	current *table            // that the last header names
	names   map[string]string // every key that was met, once
}

// A table is one table while it is built. Source: TOML 1.0, sections "Table" and
// "Array of Tables", for what may be added to it.
type table struct {
	origin origin
	keys   map[string]any // values, *table and *tables
}

// tables is an array of tables; only the last one can still be added to.
type tables struct {
	done []any
	last *table
}

// origin is what made a table, which decides what may be added to it.
type origin int

const (
	explicit origin = iota // its own header
	implicit               // the header of a table below it
	dotted                 // a dotted key
)

func newTable(o origin) *table { return &table{o, map[string]any{}} }

// value is t without what only its building needed.
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

// add adds an expression of the document.
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

// addPair adds the value of a pair to t, below tables for all parts of its key
// but the last.
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
		if !ok || next.origin != dotted {
			return fmt.Errorf("key %s is already defined", name)
		}
		t = next
	}
	return nil
}

// open returns the table that a header names.
func (d *decoder) open(key unstable.Iterator) (*table, error) {
	t, name, err := d.above(key)
	if err != nil {
		return nil, err
	}
	switch have := t.keys[name].(type) {
	case nil:
		next := newTable(explicit)
		t.keys[name] = next
		return next, nil
	case *table:
		if have.origin == implicit {
			have.origin = explicit
			return have, nil
		}
	}
	return nil, fmt.Errorf("table %s already exists", name)
}

// appendTo returns a new table of the array that a header names.
func (d *decoder) appendTo(key unstable.Iterator) (*table, error) {
	t, name, err := d.above(key)
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

// above returns the table in which the last part of a header's key is, and that
// part.
func (d *decoder) above(key unstable.Iterator) (t *table, last string, err error) {
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

// value is what a node of the parser stands for.
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

// scalar leaves a number, a date or a time to go-toml.
func scalar(text []byte) (any, error) {
	var one map[string]any
	err := toml.Unmarshal(append([]byte("v = "), text...), &one)
	return one["v"], err
}

// name is one part of a key. Documents repeat few names very often.
func (d *decoder) name(n *unstable.Node) string {
	name, ok := d.names[string(n.Data)]
	if !ok {
		name = string(n.Data)
		d.names[name] = name
	}
	return name
}

// lineOf is the line on which an expression's key is.
func (d *decoder) lineOf(e *unstable.Node) int {
	key := e.Key()
	key.Next()
	return d.parser.Shape(key.Node().Raw).Start.Line
}

// broken is the error of the parser.
func (d *decoder) broken(err error) error {
	line := 1 + bytes.Count(d.parser.Data(), []byte("\n"))
	if at, ok := errors.AsType[*unstable.ParserError](err); ok && len(at.Highlight) > 0 {
		line = d.parser.Shape(d.parser.Range(at.Highlight)).Start.Line
	}
	return &SyntaxError{line, err.Error()}
}
