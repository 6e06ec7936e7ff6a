package host

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"path/filepath"
	"slices"
	"strings"
)

// A Shell is a shell, or another reader, for which kist can print an environment.
type Shell string

const (
	POSIX      Shell = "posix"
	Fish       Shell = "fish"
	PowerShell Shell = "pwsh"
	Cmd        Shell = "cmd"
	// JSON, DotEnv and GitHub are forms for other programs than shells.
	JSON   Shell = "json"
	DotEnv Shell = "dotenv"
	GitHub Shell = "github"
)

func Shells() []string {
	return []string{string(POSIX), string(Fish), string(PowerShell), string(Cmd), string(JSON), string(DotEnv), string(GitHub)}
}

// ParseShell returns the shell called name, which may be an older name of one.
func ParseShell(name string) (Shell, bool) {
	if name == "powershell" {
		name = string(PowerShell)
	}
	return Shell(name), slices.Contains(Shells(), name)
}

// GuessShell guesses the user's shell from the variables that shells set in the
// environment. os is a GOOS.
func GuessShell(getenv func(string) string, os string) Shell {
	name := strings.ToLower(strings.TrimSuffix(baseName(getenv("SHELL")), ".exe"))
	switch {
	case getenv("FISH_VERSION") != "":
		return Fish
	case getenv("BASH_VERSION") != "", getenv("ZSH_VERSION") != "":
		return POSIX
	case os == "windows" && name == "": // a POSIX shell there sets SHELL
		return guessWindowsShell(getenv)
	case os != "windows" && getenv("PSModulePath") != "": // only PowerShell sets it there
		return PowerShell
	case name == "fish":
		return Fish
	case name == "pwsh", name == "powershell":
		return PowerShell
	}
	return POSIX
}

// guessWindowsShell distinguishes PowerShell from cmd. PSModulePath is set for the
// whole machine; PowerShell adds a directory of the user to it.
func guessWindowsShell(getenv func(string) string) Shell {
	home := strings.ToLower(getenv("USERPROFILE"))
	switch modules := strings.ToLower(getenv("PSModulePath")); {
	case home != "" && strings.Contains(modules, home+`\`):
		return PowerShell
	case getenv("ComSpec") != "":
		return Cmd
	}
	return PowerShell
}

// baseName returns what follows the last slash or backslash.
func baseName(path string) string { return path[strings.LastIndexAny(path, `/\`)+1:] }

// errUnquotable is returned for a value that cmd cannot quote.
var errUnquotable = errors.New("cmd cannot hold a value with a quotation mark, a line break or a NUL")

// Quote makes s one word of a POSIX shell, whatever it holds but NUL. Source:
// POSIX.1-2024, Shell Command Language, 2.2.2: nothing is special between single
// quotes.
func Quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// QuoteWords joins words to a command line of a POSIX shell. It quotes those that need
// it.
func QuoteWords(words ...string) string {
	list := make([]string, len(words))
	for i, word := range words {
		if list[i] = word; word == "" || strings.Trim(word, plainWord) != "" {
			list[i] = Quote(word)
		}
	}
	return strings.Join(list, " ")
}

// plainWord are the characters that need no quoting in a word.
const plainWord = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+/@:=,"

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

// quoteCmd quotes s as a value of set "NAME=value" in a batch file. Between the
// quotation marks only % and the marks themselves are special, and %% stands for %.
// Names of files on Windows hold neither marks nor line breaks. Source: cmd /?, set /?.
func quoteCmd(s string) (string, error) {
	if strings.ContainsAny(s, "\"\r\n\x00") {
		return "", errUnquotable
	}
	return strings.ReplaceAll(s, "%", "%%"), nil
}

// SetLine returns the line by which s sets a variable for the programs it starts.
func (s Shell) SetLine(name, value string) (string, error) {
	switch s {
	case Fish:
		if name == "PATH" { // a list there
			var words []string
			for _, dir := range filepath.SplitList(value) {
				words = append(words, quoteFish(dir))
			}
			return "set -gx PATH " + strings.Join(words, " ") + ";", nil
		}
		return "set -gx " + name + " " + quoteFish(value) + ";", nil
	case PowerShell:
		return "${env:" + name + "} = " + quotePowerShell(value), nil
	case Cmd:
		quoted, err := quoteCmd(value)
		return `@set "` + name + "=" + quoted + `"`, err
	}
	return "export " + name + "=" + Quote(value), nil
}

// DotEnvLine returns the line of a .env file that sets a variable. Programs that read such
// files agree neither on escapes nor on several lines, so a value that needs either is
// refused.
func DotEnvLine(name, value string) (string, error) {
	switch {
	case strings.ContainsAny(value, "'\r\n\x00"):
		return "", errors.New("a .env file cannot hold a value with a quotation mark or a line break")
	case strings.Trim(value, plainWord) != "":
		value = "'" + value + "'"
	}
	return name + "=" + value, nil
}

// GitHubLines returns the lines of the file GITHUB_ENV that set a variable. A value of
// several lines ends with a word that none of its lines is. Source: GitHub's
// documentation, "Workflow commands for GitHub Actions", "Setting an environment variable".
func GitHubLines(name, value string) (string, error) {
	switch {
	case strings.ContainsAny(value, "\x00"):
		return "", errors.New("no file of GitHub Actions can hold a NUL")
	case !strings.ContainsAny(value, "\r\n"):
		return name + "=" + value + "\n", nil
	}
	sum := sha256.Sum256([]byte(value))
	end := "kist_" + hex.EncodeToString(sum[:])
	return name + "<<" + end + "\n" + value + "\n" + end + "\n", nil
}

// UnsetLine returns the line by which s removes a variable.
func (s Shell) UnsetLine(name string) string {
	switch s {
	case Fish:
		return "set -e " + name + ";"
	case PowerShell:
		return "Remove-Item -ErrorAction Ignore Env:" + name
	case Cmd:
		return `@set "` + name + `="`
	}
	return "unset " + name
}

// PathLine returns the line that puts dir first on PATH in a start-up file of s. home
// is the user's home directory, or empty.
func (s Shell) PathLine(dir, home string) string {
	switch s {
	case Fish:
		return "fish_add_path " + quoteFish(dir)
	case PowerShell:
		return "$env:PATH = " + quotePowerShell(dir) + " + [IO.Path]::PathSeparator + $env:PATH"
	case Cmd:
		return `set "PATH=` + strings.ReplaceAll(dir, "%", "%%") + `;%PATH%"`
	}
	if below, ok := strings.CutPrefix(dir, home+string(filepath.Separator)); ok && home != "" && strings.Trim(below, plainPath) == "" {
		return `export PATH="$HOME/` + below + `:$PATH"`
	}
	return "export PATH=" + Quote(dir) + `:"$PATH"`
}

// AddToPath says how dir is put on PATH for good on a system goos: what to do with the
// line that it returns. Start-up files of cmd do not exist, and PowerShell runs its own
// only where the policy of the machine allows it; so on Windows the line changes the
// variable of the user, which new windows read.
func (s Shell) AddToPath(goos, dir, home string) (how, line string) {
	if goos != "windows" || s != PowerShell && s != Cmd {
		return "this line in your shell's start-up file adds it:", s.PathLine(dir, home)
	}
	line = "[Environment]::SetEnvironmentVariable('Path', " + quotePowerShell(dir) + " + ';' + [Environment]::GetEnvironmentVariable('Path', 'User'), 'User')"
	if s == Cmd {
		line = `powershell -NoProfile -Command "` + line + `"`
	}
	return "this line, run once, adds it for the windows that you open then:", line
}

// plainPath are the characters that need no quoting between double quotes.
const plainPath = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+/ "
