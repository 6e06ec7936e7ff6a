package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// How kist speaks:
//
//   - stdout holds the result and nothing else: text, or one JSON object;
//   - everything else is talk, on stderr, one line each, without a full stop;
//   - a failure is "error:", what happened and why, then whether anything was
//     changed, then "hint:" and the one command that is safe;
//   - whatever is interpolated is escaped (escape.go): only a format string of
//     kist's own breaks lines.
//
// No other file writes to stdout or stderr.

// A page is the text form of a result.
type page struct {
	out strings.Builder
}

func (p *page) line(format string, args ...any) {
	p.out.WriteString(sprintf(format, args...) + "\n")
}

// raw writes text exactly: for scripts that a shell is to read.
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

// count writes a number of things.
func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// maxWord is how many characters of one word an error repeats.
const maxWord = 200

// brief shortens the words of s that are longer than anyone reads, such as an
// argument that was a file's contents by mistake: both ends stay.
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

// writeText writes text as it is: help, or what was escaped before.
func writeText(w io.Writer, text string) error {
	_, err := io.WriteString(w, text)
	return err
}

// setStreams tells cobra where its help and completions go.
func (a *app) setStreams(root *cobra.Command) {
	root.SetOut(a.Stdout)
	root.SetErr(a.Stderr)
}

// showUsage writes help, which is kist's own text.
func showUsage(cmd *cobra.Command, text string) error { return writeText(cmd.OutOrStderr(), text) }

// say is talk: what kist is doing.
func (a *app) say(format string, args ...any) {
	if !a.flags.quiet && !a.flags.json {
		writeLine(a.Stderr, format, args...)
	}
}

// ask writes a question, after which the cursor stays.
func (a *app) ask(format string, args ...any) { writeText(a.Stderr, sprintf(format, args...)+" ") }

// interrupted says that run was cut off.
func (a *app) interrupted() { writeLine(a.Stderr, "error: interrupted") }

// stderr is the stream itself, for a progress bar that moves the cursor.
func (a *app) stderr() io.Writer { return a.Stderr }

// detail is talk for those who asked for more of it.
func (a *app) detail(format string, args ...any) {
	if a.flags.verbose {
		a.say(format, args...)
	}
}

// warn is said once, and to everyone: no flag turns it off.
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
	yellow = "33"
	cyan   = "36"
)

// paint colors a word on stderr, where color is wanted.
func (a *app) paint(color, word string) string {
	if !a.colors(a.Terminal.Stderr) {
		return word
	}
	return "\x1b[" + color + "m" + word + "\x1b[0m"
}

func (a *app) colors(terminal bool) bool {
	switch a.flags.color {
	case "always":
		return true
	case "never":
		return false
	}
	return terminal && a.Getenv("NO_COLOR") == "" && a.Getenv("CI") == "" && !a.dumbTerminal()
}

// document is the one shape of every JSON answer.
type document struct {
	Format int      `json:"format"` // of this shape: 1
	Verb   string   `json:"verb"`
	Result any      `json:"result,omitempty"`
	Error  *failure `json:"error,omitempty"`
}

// finish prints what the verb came to, and returns the exit code. A verb may
// have both a result and an error: work that was done, with a finding.
func (a *app) finish(err error) int {
	var f *failure
	if err != nil {
		f = a.explain(err)
	}
	if a.helped && f == nil {
		return 0
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
		p := &page{}
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

// jsonAsked finds --json on a command line that could not be parsed.
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
