// Package term is kist's only way to the terminal: results, messages, warnings,
// questions and progress.
//
// Rules of kist's output:
//
//   - stdout holds the result and nothing else: text, or one JSON object;
//   - everything else goes to stderr: one line each, without a full stop;
//   - a failure is "error:", what happened and why, then whether anything was
//     changed, then "hint:" and the one command that is safe;
//   - interpolated text is escaped (see Sprintf): only kist's own format strings
//     can break lines.
package term

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/kist-tools/kist/install"
)

// A Printer writes to stdout and stderr. No other type does.
type Printer struct {
	JSON       bool   // the result is printed as JSON, and no messages but warnings
	Quiet      bool   // no messages but warnings
	NoWarnings bool   // no warnings either: the result holds them
	Verbose    bool   // details, too
	NoProgress bool   // no progress
	Color      string // "always", "never", or "auto": where the stream is a terminal that shows it

	stdout, stderr io.Writer
	terminal       Terminal
	getenv         func(string) string
	now            func() time.Time

	mu      sync.Mutex // guards warned, and keeps warnings apart
	warned  map[string]bool
	display *display
	helpErr error // of writing help
}

// New returns a Printer that writes to stdout and stderr. terminal says which of them are
// terminals. getenv reads the environment: TERM, NO_COLOR and CI.
func New(stdout, stderr io.Writer, terminal Terminal, getenv func(string) string, now func() time.Time) Printer {
	return Printer{Color: "auto", stdout: stdout, stderr: stderr, terminal: terminal, getenv: getenv, now: now}
}

// Say reports what kist is doing, unless Quiet or JSON is set.
func (p *Printer) Say(format string, args ...any) {
	if !p.Quiet && !p.JSON {
		p.pause()
		writeLine(p.stderr, format, args...)
	}
}

// Detail is Say, if Verbose is set.
func (p *Printer) Detail(format string, args ...any) {
	if p.Verbose {
		p.Say(format, args...)
	}
}

// SayWithCause is Say for line; its cause is a detail, and may be empty.
func (p *Printer) SayWithCause(line, cause string) {
	p.Say("%s", line)
	if cause != "" {
		p.Detail("  %s", cause)
	}
}

// Warn writes a warning once. No setting turns it off.
func (p *Printer) Warn(format string, args ...any) {
	text := Sprintf(format, args...)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.warned[text] || p.NoWarnings {
		return
	}
	if p.warned == nil {
		p.warned = map[string]bool{}
	}
	p.warned[text] = true
	p.pause()
	writeText(p.stderr, p.paint(yellow, "warning:")+" "+text+"\n")
}

// Fail reports a failure: what happened, whether it left everything unchanged, and the
// hint, which may be empty.
func (p *Printer) Fail(message string, unchanged bool, hint string) {
	p.pause()
	writeText(p.stderr, p.paint(red, "error:")+Sprintf(" %s\n", message))
	if unchanged {
		writeLine(p.stderr, "Nothing was changed.")
	}
	if hint != "" {
		writeText(p.stderr, p.paint(cyan, "hint:")+Sprintf(" %s\n", hint))
	}
}

// Confirm asks a question and reports whether the answer, a line of stdin, is yes. The
// end of ctx ends the wait for it.
func (p *Printer) Confirm(ctx context.Context, stdin io.Reader, format string, args ...any) (yes bool, err error) {
	writeText(p.stderr, Sprintf(format, args...)+" [y/N] ")
	var answer string
	answered := make(chan struct{})
	go func() {
		answer, err = bufio.NewReader(stdin).ReadString('\n')
		close(answered)
	}()
	select {
	case <-answered:
	case <-ctx.Done():
		writeText(p.stderr, "\n")
		return false, ctx.Err()
	}
	if err != nil && err != io.EOF {
		return false, err
	}
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes", nil
}

// NewPage returns a Page for a result, with colors if stdout is to have them.
func (p *Printer) NewPage() *Page { return &Page{color: p.colors(p.terminal.Stdout)} }

// PrintPage writes a result as text.
func (p *Printer) PrintPage(page *Page) error { return writeText(p.stdout, page.String()) }

// PrintJSON writes a result as indented JSON.
func (p *Printer) PrintJSON(doc any) error {
	text, err := EncodeJSON(doc)
	if err != nil {
		return err
	}
	_, err = p.stdout.Write(text)
	return err
}

// EncodeJSON returns doc as indented JSON with a line end, in which what a terminal would
// act on, or would not show, is escaped.
func EncodeJSON(doc any) ([]byte, error) {
	var text bytes.Buffer
	out := json.NewEncoder(&text)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	if err := out.Encode(doc); err != nil {
		return nil, err
	}
	return escapeJSON(text.Bytes()), nil
}

// A helper is a command that prints help, such as one of cobra's.
type helper interface {
	SetOut(io.Writer)
	SetErr(io.Writer)
}

// PrintHelpOf makes cmd write its help and completions to p.
func (p *Printer) PrintHelpOf(cmd helper) {
	cmd.SetOut(helpWriter{p})
	cmd.SetErr(p.stderr)
}

// HelpError returns the first error of writing help: cmd cannot return it.
func (p *Printer) HelpError() error { return p.helpErr }

type helpWriter struct{ *Printer }

func (w helpWriter) Write(text []byte) (int, error) {
	n, err := w.stdout.Write(text)
	w.helpErr = cmp.Or(w.helpErr, err)
	return n, err
}

// WriteHelp writes kist's own text, unescaped, to where cmd writes its help.
func WriteHelp(cmd interface{ OutOrStderr() io.Writer }, text string) error {
	return writeText(cmd.OutOrStderr(), text)
}

// Progress returns the function that shows progress, or nil if none is wanted.
func (p *Printer) Progress() func(install.Progress) {
	if p.Quiet || p.NoProgress || p.JSON {
		return nil
	}
	p.display = &display{
		out: p.stderr, now: p.now, width: p.terminal.columns,
		bars: p.terminal.Stderr && p.getenv("CI") == "" && !p.isDumb(),
	}
	return p.display.show
}

// EndProgress clears the progress line, and forgets what it was about.
func (p *Printer) EndProgress() {
	if p.display != nil {
		p.display.end()
	}
}

// pause clears the progress line until there is more to show, so that another line can
// be printed.
func (p *Printer) pause() {
	if p.display != nil {
		p.display.pause()
	}
}

const (
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

// paint colors a word on stderr, if color is wanted.
func (p *Printer) paint(color, word string) string {
	if !p.colors(p.terminal.Stderr) {
		return word
	}
	return colored(color, word)
}

func colored(color, word string) string { return "\x1b[" + color + "m" + word + "\x1b[0m" }

// colors reports whether a stream is to have colors. terminal tells whether it is one.
func (p *Printer) colors(terminal bool) bool {
	switch p.Color {
	case "always":
		return true
	case "never":
		return false
	}
	return terminal && p.getenv("NO_COLOR") == "" && p.getenv("CI") == "" && !p.isDumb()
}

// isDumb reports whether the terminal cannot move its cursor: TERM is "dumb", or
// missing where terminals set it.
func (p *Printer) isDumb() bool {
	term := p.getenv("TERM")
	return term == "dumb" || term == "" && runtime.GOOS != "windows"
}

// writeLine writes one line to a stream, its arguments escaped.
func writeLine(w io.Writer, format string, args ...any) { writeText(w, Sprintf(format, args...)+"\n") }

// writeText writes text unchanged: help, or text that is escaped already.
func writeText(w io.Writer, text string) error {
	_, err := io.WriteString(w, text)
	return err
}
