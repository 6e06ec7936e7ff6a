// Package system knows the toolchains that a machine may have without kist: which
// command belongs to each, and how it prints its version. It is data and a parser; the
// caller searches PATH and runs the command.
//
// They form a channel in name only, "system": they are read, and never installed,
// changed or removed. They are unsigned and need no signature: they belong to the
// machine, and run whenever the user types their name. Getting a version means running
// the command, as any configure script does. This does not break the rule that kist
// never runs what it installs: a command that leads to something kist installed does
// not count as a system tool, and its version is read from the receipt.
//
// The version is the one that the command prints outside any project: see Environment.
package system

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/kist-tools/kist/manifests"
)

// Channel is the channel name of the system's tools.
const Channel = "system"

// MaxAnswer is the most that a command may print, in bytes.
const MaxAnswer = 64 << 10

// A Tool describes a toolchain and the command that prints its version.
type Tool struct {
	Name    string
	Command string   // searched on PATH; it represents the toolchain
	Args    []string // arguments that print its version on stdout
	// Answer matches the start of the output: its first group is the version's numbers,
	// its optional second group the pre-release, such as rc1.
	Answer *regexp.Regexp
	Env    map[string]string // additional variables; see Environment
}

// Lookup returns the tool called name.
func Lookup(name string) (Tool, bool) {
	for _, t := range tools() {
		if t.Name == name {
			return t, true
		}
	}
	return Tool{}, false
}

// Names returns the tools that a machine may have, in order.
func Names() (names []string) {
	for _, t := range tools() {
		names = append(names, t.Name)
	}
	slices.Sort(names)
	return names
}

// tools returns the table. Vendors with their own numbering are left out: Apple's clang
// 15 is not LLVM's clang 15.
func tools() []Tool {
	version := []string{"--version"}
	starts := func(pattern string) *regexp.Regexp { return regexp.MustCompile("^" + pattern) }
	return []Tool{
		{Name: "bindgen", Command: "bindgen", Args: version, Answer: starts(`bindgen (\d+\.\d+\.\d+)(?:-([0-9A-Za-z.-]+))?\s`)},
		{Name: "clang", Command: "clang", Args: version,
			Answer: starts(`(?:(?:Alpine|Debian|FreeBSD|Homebrew|OpenBSD|Ubuntu) )?clang version (\d+\.\d+\.\d+)(?:-?(rc\d+))?\D`)},
		{Name: "cmake", Command: "cmake", Args: version, Answer: starts(`cmake version (\d+\.\d+(?:\.\d+)?)(?:-([0-9A-Za-z.-]+))?\s`)},
		{Name: "gcc", Command: "gcc", Args: version, Answer: starts(`gcc \([^\n]*?\) (\d+\.\d+\.\d+)\s`)}, // after the packager's name in brackets
		{Name: "go", Command: "go", Args: []string{"version"}, Answer: starts(`go version go(\d+\.\d+(?:\.\d+)?(?:(?:beta|rc)\d+)?)[ -]`),
			// It must not switch to another Go, nor write counters into the user's
			// home.
			Env: map[string]string{"GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "", "XDG_CONFIG_HOME": os.DevNull}},
		{Name: "java", Command: "javac", Args: version, Answer: starts(`javac (\d+(?:\.\d+)*)\s`)}, // java alone compiles nothing
		{Name: "meson", Command: "meson", Args: version, Answer: starts(`(\d+\.\d+\.\d+)(?:\.(rc\d+))?\s`)},
		{Name: "ninja", Command: "ninja", Args: version, Answer: starts(`(\d+\.\d+(?:\.\d+)?)[.\s]`)}, // a branch name may follow
		{Name: "node", Command: "node", Args: version, Answer: starts(`v(\d+\.\d+\.\d+)(?:-([0-9A-Za-z.-]+))?\s`)},
		{Name: "python", Command: "python3", Args: version, Answer: starts(`Python (\d+\.\d+\.\d+)((?:a|b|rc)\d+)?[+\s]`)},
		{Name: "rust", Command: "rustc", Args: version, Answer: starts(`rustc (\d+\.\d+\.\d+)(?:-([0-9A-Za-z.-]+))?\s`)},
	}
}

// Version parses the output of t's command. A pre-release is spelled as in Semantic
// Versioning, 3.13.0-rc2, except for Go, whose own spelling is kept. Errors show what
// was printed instead.
func (t Tool) Version(answer []byte) (string, error) {
	if len(answer) > MaxAnswer {
		return "", fmt.Errorf("it printed more than %d bytes", MaxAnswer)
	}
	m := t.Answer.FindSubmatch(answer)
	if m == nil {
		line, _, _ := bytes.Cut(answer, []byte("\n"))
		return "", fmt.Errorf("it printed %.60q", line)
	}
	version := string(m[1])
	if len(m) > 2 && len(m[2]) > 0 {
		version += "-" + string(m[2])
	}
	if err := manifests.ValidVersion(version); err != nil {
		return "", fmt.Errorf("it printed %w", err)
	}
	return version, nil
}

// Environment returns the variables to add when running t's command. The command runs
// in the root directory, so that no rust-toolchain.toml, go.mod or .tool-versions of a
// project applies, and without a network. The latter is for wrapper commands (those of
// rustup, mise, volta) that would download a missing toolchain; only root could listen
// on port 9.
func (t Tool) Environment() map[string]string {
	env := map[string]string{
		"PWD": "/", "LC_ALL": "C", "RUSTUP_AUTO_INSTALL": "0", "MISE_AUTO_INSTALL": "false", "NO_PROXY": "", "no_proxy": "",
	}
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"} {
		env[name], env[strings.ToLower(name)] = "http://127.0.0.1:9", "http://127.0.0.1:9"
	}
	maps.Copy(env, t.Env)
	return env
}
