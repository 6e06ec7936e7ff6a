package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/rivo/uniseg"
	"github.com/spf13/cobra"
)

// Rules of kist's output:
//
//   - stdout holds the result and nothing else: text, or one JSON object;
//   - everything else goes to stderr: one line each, without a full stop;
//   - a failure is "error:", what happened and why, then whether anything was
//     changed, then "hint:" and the one command that is safe;
//   - interpolated text is escaped (escape.go): only kist's own format strings
//     can break lines.
//
// No other file writes to stdout or stderr.

// A page is the text form of a result.
type page struct {
	out   strings.Builder
	color bool
}

func (p *page) line(format string, args ...any) {
	p.out.WriteString(sprintf(format, args...) + "\n")
}

// headline writes what happened: did, in green, then the rest of the line.
func (p *page) headline(did, format string, args ...any) {
	if p.color {
		did = colored(green, did)
	}
	p.out.WriteString(did + " " + sprintf(format, args...) + "\n")
}

// pageWidth is the width in columns that wrapped lists keep to.
const pageWidth = 80

// wrapped writes label and names in lines of at most pageWidth columns, broken only
// between names.
func (p *page) wrapped(label string, names []string) {
	line := escape(label)
	indent := strings.Repeat(" ", len(line)-len(strings.TrimLeft(line, " "))+2)
	for i, name := range names {
		word := escape(name)
		if i < len(names)-1 {
			word += ","
		}
		if i > 0 && uniseg.StringWidth(line)+1+uniseg.StringWidth(word) > pageWidth {
			p.out.WriteString(line + "\n")
			line = indent + word
			continue
		}
		line += " " + word
	}
	p.out.WriteString(line + "\n")
}

// raw writes text unchanged: for scripts that a shell reads.
func (p *page) raw(text string) { p.out.WriteString(text) }

// table writes rows in columns; the last one is not padded.
func (p *page) table(rows [][]string) {
	w := tabwriter.NewWriter(&p.out, 0, 8, 2, ' ', 0)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, c := range row {
			cells[i] = escape(c)
		}
		fmt.Fprintln(w, unlabel(strings.TrimRight(strings.Join(cells, "\t"), "\t")))
	}
	w.Flush()
}

// count formats a number of things, such as "13,475 files".
func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits + " " + one + "s"
}

// maxWord is the longest word, in characters, that an error repeats in full.
const maxWord = 200

// brief shortens words of s that are too long, such as an argument that was a file's
// contents by mistake. It keeps both ends.
func brief(s string) string {
	words := strings.Split(s, " ")
	for i, word := range words {
		if r := []rune(word); len(r) > maxWord {
			words[i] = string(r[:maxWord-50]) + "…" + string(r[len(r)-50:])
		}
	}
	return strings.Join(words, " ")
}

// writeLine writes one line to a stream, its arguments escaped.
func writeLine(w io.Writer, format string, args ...any) { writeText(w, sprintf(format, args...)+"\n") }

// writeText writes text unchanged: help, or text that is escaped already.
func writeText(w io.Writer, text string) error {
	_, err := io.WriteString(w, text)
	return err
}

// setStreams sets where cobra writes help and completions.
func (a *app) setStreams(root *cobra.Command) {
	root.SetOut(&errorKeeper{a.Stdout, &a.helpErr})
	root.SetErr(a.Stderr)
}

// An errorKeeper keeps the first error of a Writer, for a caller that cannot return it.
type errorKeeper struct {
	io.Writer
	err *error
}

func (k *errorKeeper) Write(p []byte) (int, error) {
	n, err := k.Writer.Write(p)
	*k.err = cmp.Or(*k.err, err)
	return n, err
}

// showUsage writes help, which needs no escaping since it is kist's own text.
func showUsage(cmd *cobra.Command, text string) error { return writeText(cmd.OutOrStderr(), text) }

// say reports what kist is doing, unless --quiet or --json is given.
func (a *app) say(format string, args ...any) {
	if !a.flags.quiet && !a.flags.json {
		writeLine(a.Stderr, format, args...)
	}
}

// ask writes a question and leaves the cursor after it.
func (a *app) ask(format string, args ...any) { writeText(a.Stderr, sprintf(format, args...)+" ") }

// interrupted reports that run was interrupted.
func (a *app) interrupted() { writeLine(a.Stderr, "error: interrupted") }

// stderr returns the stream itself, for a progress bar that moves the cursor.
func (a *app) stderr() io.Writer { return a.Stderr }

// detail is say for --verbose only.
func (a *app) detail(format string, args ...any) {
	if a.flags.verbose {
		a.say(format, args...)
	}
}

// sayWithCause is say for line; its cause is a detail, and may be empty.
func (a *app) sayWithCause(line, cause string) {
	a.say("%s", line)
	if cause != "" {
		a.detail("  %s", cause)
	}
}

// warn writes a warning once. No flag turns it off.
func (a *app) warn(format string, args ...any) {
	text := sprintf(format, args...)
	a.talking.Lock()
	defer a.talking.Unlock()
	if !a.warned[text] {
		a.warned[text] = true
		if a.display != nil {
			a.display.pause()
		}
		writeText(a.Stderr, a.paint(yellow, "warning:")+" "+text+"\n")
	}
}

const (
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

// paint colors a word on stderr, if color is wanted.
func (a *app) paint(color, word string) string {
	if !a.colors(a.Terminal.Stderr) {
		return word
	}
	return colored(color, word)
}

func colored(color, word string) string { return "\x1b[" + color + "m" + word + "\x1b[0m" }

func (a *app) colors(terminal bool) bool {
	switch a.flags.color {
	case "always":
		return true
	case "never":
		return false
	}
	return terminal && a.Getenv("NO_COLOR") == "" && a.Getenv("CI") == "" && !a.dumbTerminal()
}

// document is the form of every JSON result.
type document struct {
	Format int      `json:"format"` // version of this form: 1
	Verb   string   `json:"verb"`
	Result any      `json:"result,omitempty"`
	Error  *failure `json:"error,omitempty"`
}

// finish prints the result and the error of the verb, and returns the exit code. A
// verb may have both: work that was done, and a problem that was found.
func (a *app) finish(err error) int {
	var f *failure
	if err != nil {
		f = a.explain(err)
	}
	if a.helped && f == nil {
		if a.helpErr == nil {
			return 0
		}
		f = &failure{Code: 1, Message: "writing the help: " + a.helpErr.Error()}
	}
	if a.flags.json || jsonAsked(a.Args) && !a.verb.plain {
		doc := document{Format: 1, Verb: a.path, Error: f}
		if a.result != nil {
			doc.Result = a.result
		}
		if wrong := writeJSON(a.Stdout, doc); wrong != nil && f == nil {
			f = &failure{Code: 1, Message: wrong.Error()}
		}
		return f.code()
	}
	if a.result != nil {
		p := &page{color: a.colors(a.Terminal.Stdout)}
		a.result.text(p)
		if wrong := writeText(a.Stdout, p.out.String()); wrong != nil && f == nil {
			f = &failure{Code: 1, Message: "writing the result: " + wrong.Error()}
		}
	}
	if f != nil && f.Message != "" {
		writeText(a.Stderr, a.paint(red, "error:")+sprintf(" %s\n", f.Message))
		if f.unchanged {
			writeLine(a.Stderr, "Nothing was changed.")
		}
		if f.Hint != "" {
			writeText(a.Stderr, a.paint(cyan, "hint:")+sprintf(" %s\n", f.Hint))
		}
	}
	return f.code()
}

// writeJSON writes doc as indented JSON.
func writeJSON(w io.Writer, doc document) error {
	var text bytes.Buffer
	out := json.NewEncoder(&text)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	if err := out.Encode(doc); err != nil {
		return err
	}
	_, err := w.Write(escapeJSON(text.Bytes()))
	return err
}

// jsonAsked reports whether --json is on a command line that could not be parsed.
func jsonAsked(args []string) bool {
	for _, arg := range args {
		switch arg {
		case "--":
			return false
		case "--json", "--json=true":
			return true
		}
	}
	return false
}
