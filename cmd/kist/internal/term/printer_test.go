package term_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install"
)

func TestPrinterSettings(t *testing.T) {
	for name, test := range map[string]struct {
		set  func(*term.Printer)
		want string
	}{
		"default": {func(*term.Printer) {}, "said\nwarning: warned\nerror: failed\nNothing was changed.\nhint: try\n"},
		"verbose": {func(p *term.Printer) { p.Verbose = true }, "said\ndetail\nwarning: warned\nerror: failed\nNothing was changed.\nhint: try\n"},
		"quiet":   {func(p *term.Printer) { p.Quiet = true }, "warning: warned\nerror: failed\nNothing was changed.\nhint: try\n"},
		"JSON":    {func(p *term.Printer) { p.JSON = true }, "warning: warned\nerror: failed\nNothing was changed.\nhint: try\n"},
	} {
		var out, stderr bytes.Buffer
		p := term.New(&out, &stderr, term.Terminal{}, func(string) string { return "" }, time.Now)
		test.set(&p)
		p.Say("said")
		p.Detail("detail")
		p.Warn("warned")
		p.Warn("%s", "warned") // once
		p.Fail("failed", true, "try")
		if stderr.String() != test.want || out.Len() > 0 {
			t.Errorf("%s: %q and %q", name, stderr.String(), out.String())
		}
		if wants := p.Progress() != nil; wants != (name == "default" || name == "verbose") {
			t.Errorf("%s: progress is shown: %v", name, wants)
		}
	}
}

func TestPrinterColor(t *testing.T) {
	for _, test := range []struct {
		color    string
		terminal bool
		environ  map[string]string
		want     bool
	}{
		{"auto", true, map[string]string{"TERM": "xterm"}, true},
		{"auto", false, map[string]string{"TERM": "xterm"}, false},
		{"auto", true, map[string]string{"TERM": "dumb"}, false},
		{"auto", true, map[string]string{"TERM": "xterm", "NO_COLOR": "1"}, false},
		{"auto", true, map[string]string{"TERM": "xterm", "CI": "true"}, false},
		{"always", false, nil, true},
		{"never", true, map[string]string{"TERM": "xterm"}, false},
	} {
		var stderr bytes.Buffer
		p := term.New(nil, &stderr, term.Terminal{Stderr: test.terminal}, func(name string) string { return test.environ[name] }, time.Now)
		p.Color = test.color
		p.Fail("failed", false, "")
		if got := strings.Contains(stderr.String(), "\x1b["); got != test.want {
			t.Errorf("%+v: %q", test, stderr.String())
		}
	}
}

// TestMessagesClearProgress checks that a message does not share its line with progress.
func TestMessagesClearProgress(t *testing.T) {
	var stderr bytes.Buffer
	terminal := term.Terminal{Stderr: true, Width: func() int { return 60 }}
	p := term.New(nil, &stderr, terminal, func(name string) string { return map[string]string{"TERM": "xterm"}[name] }, time.Now)
	p.Color = "never"
	show := p.Progress()
	for _, talk := range []func(){func() { p.Say("message") }, func() { p.Warn("message") }, func() { p.Fail("message", false, "") }} {
		show(install.Progress{Stage: install.Download, Name: "a", Done: 1, Total: 2})
		stderr.Reset()
		talk()
		if text := stderr.String(); !strings.HasPrefix(text, "\r ") || !strings.Contains(text, " \r") || !strings.HasSuffix(text, "message\n") {
			t.Errorf("%q", text)
		}
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("broken") }

func TestPrinterReturnsWriteErrors(t *testing.T) {
	p := term.New(brokenWriter{}, brokenWriter{}, term.Terminal{}, nil, nil)
	if err := p.PrintJSON("x"); err == nil {
		t.Error("PrintJSON: no error")
	}
	page := &term.Page{}
	page.Line("x")
	if err := p.PrintPage(page); err == nil {
		t.Error("PrintPage: no error")
	}
}
