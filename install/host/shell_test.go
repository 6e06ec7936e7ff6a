package host_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/kist-tools/kist/install/host"
)

func TestGuessShell(t *testing.T) {
	for _, test := range []struct {
		os, env string
		want    host.Shell
	}{
		{"linux", "", host.POSIX},
		{"linux", "SHELL=/bin/bash", host.POSIX},
		{"linux", "SHELL=/usr/bin/zsh", host.POSIX},
		{"linux", "SHELL=/usr/bin/fish", host.Fish},
		{"linux", "SHELL=/bin/bash FISH_VERSION=3.6.0", host.Fish},
		{"linux", "SHELL=/usr/bin/fish BASH_VERSION=5.2", host.POSIX},
		{"linux", "SHELL=/bin/bash PSModulePath=/opt/microsoft/powershell/7/Modules", host.PowerShell},
		{"linux", "SHELL=/usr/bin/pwsh", host.PowerShell},
		{"darwin", "SHELL=/opt/homebrew/bin/fish", host.Fish},
		{"windows", "", host.PowerShell},
		{"windows", `ComSpec=C:\Windows\system32\cmd.exe`, host.Cmd},
		{"windows", `ComSpec=C:\Windows\system32\cmd.exe USERPROFILE=C:\Users\me PSModulePath=C:\Windows\Modules`, host.Cmd},
		{"windows", `ComSpec=C:\Windows\system32\cmd.exe USERPROFILE=C:\Users\me PSModulePath=C:\Users\ME\Documents\PowerShell\Modules;C:\Windows\Modules`, host.PowerShell},
		{"windows", `ComSpec=C:\Windows\system32\cmd.exe SHELL=C:\git\usr\bin\bash.exe`, host.POSIX},
	} {
		getenv := func(name string) string { return host.Getenv(strings.Fields(test.env), name) }
		if got := host.GuessShell(getenv, test.os); got != test.want {
			t.Errorf("%s with %q: %s, want %s", test.os, test.env, got, test.want)
		}
	}
}

// unquotePowerShell reads a single-quoted string as PowerShell does: it ends at the
// first single quote, of any of the five kinds, that is not followed by another one;
// of two, the second stands for itself.
func unquotePowerShell(s string) (value, rest string) {
	isQuote := func(r rune) bool { return strings.ContainsRune("'\u2018\u2019\u201a\u201b", r) }
	runes := []rune(s)
	if len(runes) == 0 || !isQuote(runes[0]) {
		return "", s
	}
	for i := 1; i < len(runes); i++ {
		if isQuote(runes[i]) {
			if i+1 == len(runes) || !isQuote(runes[i+1]) {
				return value, string(runes[i+1:])
			}
			i++
		}
		value += string(runes[i])
	}
	return value, "it does not end"
}

func TestQuotePowerShell(t *testing.T) {
	if got := host.QuotePowerShell("it's ‘$x’ `n"); got != "'it''s ‘‘$x’’ `n'" {
		t.Error(got)
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.SampledFrom([]rune("a'‘’‚‛\"$`\n\\")))).Draw(t, "s")
		if got, rest := unquotePowerShell(host.QuotePowerShell(s)); got != s || rest != "" {
			t.Fatalf("%q: %q, then %q", s, got, rest)
		}
	})
	// Bytes that are no text pass as they are.
	if got := host.QuotePowerShell("a\xff'\xfe"); got != "'a\xff''\xfe'" {
		t.Errorf("%q", got)
	}
}

// readBatchLine reads set "NAME=value" as a batch file does: first %% becomes %, and
// a % alone begins a variable; then all up to the last quotation mark is the value.
func readBatchLine(line string) (value string, ok bool) {
	var expanded strings.Builder
	for i := 0; i < len(line); i++ {
		if line[i] == '%' {
			if i+1 == len(line) || line[i+1] != '%' {
				return "", false
			}
			i++
		}
		expanded.WriteByte(line[i])
	}
	rest, ok := strings.CutPrefix(expanded.String(), `@set "X=`)
	end := strings.LastIndexByte(rest, '"')
	if !ok || end < 0 || end != len(rest)-1 || strings.ContainsAny(rest, "\r\n") || strings.Count(rest, `"`) != 1 {
		return "", false
	}
	return rest[:end], true
}

func TestQuoteCmd(t *testing.T) {
	if got, err := host.Cmd.SetLine("X", `C:\100%\a&b^c`); err != nil || got != `@set "X=C:\100%%\a&b^c"` {
		t.Errorf("%s, %v", got, err)
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.SampledFrom([]rune("a%\"&|<>^!()\n\r ")))).Draw(t, "s")
		line, err := host.Cmd.SetLine("X", s)
		if strings.ContainsAny(s, "\"\r\n\x00") {
			if !errors.Is(err, host.ErrUnquotable) {
				t.Fatalf("%q: %q, %v", s, line, err)
			}
			return
		}
		if got, ok := readBatchLine(line); err != nil || !ok || got != s {
			t.Fatalf("%q: %q is read as %q, %v", s, line, got, err)
		}
	})
}

func TestShellLines(t *testing.T) {
	for _, test := range []struct {
		to               host.Shell
		set, unset, path string
	}{
		{host.POSIX, `export X='a'\''b'`, "unset X", `export PATH="$HOME/.local/bin:$PATH"`},
		{host.Fish, `set -gx X 'a\'b';`, "set -e X;", `fish_add_path '/home/me/.local/bin'`},
		{host.PowerShell, `${env:X} = 'a''b'`, "Remove-Item -ErrorAction Ignore Env:X", `$env:PATH = '/home/me/.local/bin' + [IO.Path]::PathSeparator + $env:PATH`},
		{host.Cmd, `@set "X=a'b"`, `@set "X="`, `set "PATH=/home/me/.local/bin;%PATH%"`},
	} {
		set, err := test.to.SetLine("X", "a'b")
		if err != nil || set != test.set || test.to.UnsetLine("X") != test.unset {
			t.Errorf("%s: %q, %q, %v", test.to, set, test.to.UnsetLine("X"), err)
		}
		if got := test.to.PathLine("/home/me/.local/bin", "/home/me"); got != test.path {
			t.Errorf("%s: %q, want %q", test.to, got, test.path)
		}
	}
	if got := host.POSIX.PathLine("/it's/bin", "/home/me"); got != `export PATH='/it'\''s/bin':"$PATH"` {
		t.Error(got)
	}
}

// TestFormsForPrograms checks that .env files and GitHub's hold a value unchanged, or refuse
// it.
func TestFormsForPrograms(t *testing.T) {
	for value, want := range map[string]string{"/usr/bin:/bin": "A=/usr/bin:/bin", "": "A=", "a b $HOME": "A='a b $HOME'", "it's": "", "two\nlines": "", "\x00": ""} {
		if line, err := host.DotEnvLine("A", value); line != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q %v", value, line, err)
		}
	}
	if text, err := host.GitHubLines("A", "b c=d"); err != nil || text != "A=b c=d\n" {
		t.Errorf("one line: %q %v", text, err)
	}
	if text, err := host.GitHubLines("A", "\x00"); err == nil {
		t.Errorf("a NUL: %q", text)
	}
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.StringMatching(`([a-z=<]{0,4}\n){1,4}[a-z]{0,4}`).Draw(t, "value")
		text, err := host.GitHubLines("A", value)
		first, rest, _ := strings.Cut(text, "\n")
		end, ok := strings.CutPrefix(first, "A<<")
		body, after, _ := strings.Cut(rest, "\n"+end+"\n") // the first line that is the word ends the value
		if err != nil || !ok || body != value || after != "" {
			t.Fatalf("%q became %q, %v", value, text, err)
		}
	})
}

// On Windows the line changes the user's variable, which outlives the window; everywhere
// else it belongs into a start-up file.
func TestAddToPath(t *testing.T) {
	const set = `[Environment]::SetEnvironmentVariable('Path', 'C:\Users\O''Hara\bin' + ';' + [Environment]::GetEnvironmentVariable('Path', 'User'), 'User')`
	for _, test := range []struct {
		shell     host.Shell
		goos      string
		how, line string
	}{
		{host.PowerShell, "windows", "run once", set},
		{host.Cmd, "windows", "run once", `powershell -NoProfile -Command "` + set + `"`},
		{host.POSIX, "windows", "start-up file", host.POSIX.PathLine(`C:\Users\O'Hara\bin`, "")},
		{host.PowerShell, "linux", "start-up file", host.PowerShell.PathLine(`C:\Users\O'Hara\bin`, "")},
		{host.Fish, "darwin", "start-up file", host.Fish.PathLine(`C:\Users\O'Hara\bin`, "")},
	} {
		how, line := test.shell.AddToPath(test.goos, `C:\Users\O'Hara\bin`, "")
		if !strings.Contains(how, test.how) || line != test.line {
			t.Errorf("%s on %s: %s\n%s", test.shell, test.goos, how, line)
		}
	}
}
