package tomldoc_test

import (
	"testing"

	"github.com/kist-tools/kist/manifests/internal/tomldoc"
)

// TestRows holds that a list may mix strings and tables, and nothing else.
func TestRows(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "",
		"row = ['x']":                        "x",
		"row = ['x', {a = 'y'}]":             "xy",
		"[[row]]\na = 'x'\n[[row]]\na = 'y'": "xy",
		"row = ['x', 1]":                     "row holds something that is not a table",
		"row = 'x'":                          "row is not a list of tables",
		"row = ['x', 'y', 'z']":              "3 entries of row, over the limit of 2",
		"row = [{b = 'x'}]":                  "row 1: a is missing",
		"row = ['x', {a = 'x', b = 'x'}]":    `row 2: unknown key "b"`,
	} {
		keys, err := tomldoc.Decode([]byte(text), tomldoc.Small())
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		table, got := tomldoc.NewTable(keys), ""
		for _, row := range table.Rows("row", "a", 2) {
			got += row.Text("a")
			row.End()
		}
		if err := table.End(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestTableReadsEachKeyOnceByItsExactName holds the strictness that every format relies
// on.
func TestTableReadsEachKeyOnceByItsExactName(t *testing.T) {
	read := func(t *tomldoc.Table) {
		t.Format(1)
		t.Text("name")
		if t.Has("flag") {
			t.Bool("flag")
		}
		t.Number("n", 1, 9)
		t.Texts("list", 2)
		for _, one := range t.Tables("row", 2) {
			one.Text("a")
			one.Optional("in").Texts("b", 1)
			one.End()
		}
		t.End()
	}
	const valid = "format = 1\nname = 'x'\nn = 9\nlist = ['a', 'b']\n[[row]]\na = 'x'\nin = {b = ['x']}\n"
	for text, want := range map[string]string{
		valid:                           "",
		valid + "[[row]]\na = ''\n":     "",
		"Format = 1":                    "format is missing",
		"format = 2":                    "format 2 is not known",
		"format = 1\nName = 'x'":        "name is missing",
		"format = 1\nname = 1":          "name is not a string",
		"NAME = 'x'\n" + valid:          `unknown key "NAME"`,
		"flag = 1\n" + valid:            "flag is not true or false",
		"format = 1\nname = ''\nn = 0":  "n is 0, less than 1",
		"format = 1\nname = ''\nn = 10": "n is 10, over the limit of 9",
		"format = 1\nname = ''\nn = 1\nlist = ['', '', '']": "3 entries of list, over the limit of 2",
		"format = 1\nname = ''\nn = 1\nlist = ['', 1]":      "list holds something that is not a string",
		"format = 1\nname = ''\nn = 1\nlist = 'x'":          "list is not a list of strings",
		"format = 1\nname = ''\nn = 1\nrow = ['x']":         "row holds something that is not a table",
		valid + "[[row]]\nA = ''\n":                         "row 2: a is missing",
		valid + "[[row]]\na = ''\nb = 1\n":                  `row 2: unknown key "b"`,
		valid + "[[row]]\na = ''\nin.b = 1\n":               "row 2, in: b is not a list of strings",
	} {
		keys, err := tomldoc.Decode([]byte(text), tomldoc.Small())
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		table := tomldoc.NewTable(keys)
		read(table)
		got := ""
		if table.Err() != nil {
			got = table.Err().Error()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
