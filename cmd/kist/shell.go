package main

import (
	"errors"
	"path/filepath"
	"strings"
)

// A shell is a shell for which kist can print an environment.
type shell string

const (
	posix      shell = "posix"
	fish       shell = "fish"
	powershell shell = "powershell"
	cmdExe     shell = "cmd"
)

func shells() []string {
	return []string{string(posix), string(fish), string(powershell), string(cmdExe)}
}

// guessShell guesses the user's shell from the variables that shells set in the
// environment. os is a GOOS.
func guessShell(getenv func(string) string, os string) shell {
	name := strings.ToLower(strings.TrimSuffix(baseName(getenv("SHELL")), ".exe"))
	switch {
	case getenv("FISH_VERSION") != "":
		return fish
	case getenv("BASH_VERSION") != "", getenv("ZSH_VERSION") != "":
		return posix
	case os == "windows" && name == "": // a POSIX shell there sets SHELL
		return guessWindowsShell(getenv)
	case os != "windows" && getenv("PSModulePath") != "": // only PowerShell sets it there
		return powershell
	case name == "fish":
		return fish
	case name == "pwsh", name == "powershell":
		return powershell
	}
	return posix
}

// guessWindowsShell distinguishes PowerShell from cmd. PSModulePath is set for the
// whole machine; PowerShell adds a directory of the user to it.
func guessWindowsShell(getenv func(string) string) shell {
	home := strings.ToLower(getenv("USERPROFILE"))
	switch modules := strings.ToLower(getenv("PSModulePath")); {
	case home != "" && strings.Contains(modules, home+`\`):
		return powershell
	case getenv("ComSpec") != "":
		return cmdExe
	}
	return powershell
}

// baseName returns what follows the last slash or backslash.
func baseName(path string) string { return path[strings.LastIndexAny(path, `/\`)+1:] }

// errUnquotable is returned for a value that cmd cannot quote.
var errUnquotable = errors.New("cmd cannot hold a value with a quotation mark, a line break or a NUL")

// quote makes s one word of a POSIX shell, whatever it holds but NUL. Source:
// POSIX.1-2024, Shell Command Language, 2.2.2: nothing is special between single
// quotes.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// quoteFish makes s one word of fish. Source: fish's documentation, "Quotes": between
// single quotes a backslash escapes only itself and a single quote.
func quoteFish(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}

// quotePowerShell makes s one string of PowerShell. Source: about_Quoting_Rules, and
// the language's grammar (single-quote-character): between single quotes only such a
// quote is special, and doubled it stands for itself; four other characters of
// Unicode count as single quotes.
func quotePowerShell(s string) string {
	var b strings.Builder
	b.WriteByte('\'')
	for i := 0; i < len(s); {
		size := 1
		for _, mark := range []string{"'", "\u2018", "\u2019", "\u201a", "\u201b"} {
			if strings.HasPrefix(s[i:], mark) {
				b.WriteString(mark)
				size = len(mark)
			}
		}
		b.WriteString(s[i : i+size])
		i += size
	}
	return b.String() + "'"
}

// quoteCmd writes s as set "NAME=value" in a batch file takes it. Source: cmd /?,
// set /?: between quotation marks only % and the marks themselves are special, %%
// stands for %. Names of files on Windows hold neither marks nor line breaks.
func quoteCmd(s string) (string, error) {
	if strings.ContainsAny(s, "\"\r\n\x00") {
		return "", errUnquotable
	}
	return strings.ReplaceAll(s, "%", "%%"), nil
}

// setLine returns the line by which s sets a variable for the programs it starts.
func (s shell) setLine(name, value string) (string, error) {
	switch s {
	case fish:
		if name == "PATH" { // a list there
			var words []string
			for _, dir := range filepath.SplitList(value) {
				words = append(words, quoteFish(dir))
			}
			return "set -gx PATH " + strings.Join(words, " ") + ";", nil
		}
		return "set -gx " + name + " " + quoteFish(value) + ";", nil
	case powershell:
		return "${env:" + name + "} = " + quotePowerShell(value), nil
	case cmdExe:
		quoted, err := quoteCmd(value)
		return `@set "` + name + "=" + quoted + `"`, err
	}
	return "export " + name + "=" + quote(value), nil
}

// unsetLine returns the line by which s removes a variable.
func (s shell) unsetLine(name string) string {
	switch s {
	case fish:
		return "set -e " + name + ";"
	case powershell:
		return "Remove-Item -ErrorAction Ignore Env:" + name
	case cmdExe:
		return `@set "` + name + `="`
	}
	return "unset " + name
}

// pathLine returns the line that puts dir first on PATH in a start-up file of s. home
// is the user's home directory, or empty.
func (s shell) pathLine(dir, home string) string {
	switch s {
	case fish:
		return "fish_add_path " + quoteFish(dir)
	case powershell:
		return "$env:PATH = " + quotePowerShell(dir) + " + [IO.Path]::PathSeparator + $env:PATH"
	case cmdExe:
		return `set "PATH=` + strings.ReplaceAll(dir, "%", "%%") + `;%PATH%"`
	}
	if below, ok := strings.CutPrefix(dir, home+string(filepath.Separator)); ok && home != "" && strings.Trim(below, plainPath) == "" {
		return `export PATH="$HOME/` + below + `:$PATH"`
	}
	return "export PATH=" + quote(dir) + `:"$PATH"`
}

// plainPath are the characters that need no quoting between double quotes.
const plainPath = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+/ "
