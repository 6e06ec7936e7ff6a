// Package system knows the toolchains that a machine may have without kist: by
// which command each is found, and how it tells its version. It is data and a
// parser; whoever calls it looks along PATH and runs the command.
//
// They are a channel by name only, "system": read, and never installed, changed
// or removed. Nothing signs them and nothing need: they are the machine's own,
// and run whenever the user types their name. Asking one for its version is
// running it, as any configure script does. That is no exception to "kist never
// runs what it installs": a command that leads to what kist installed is not of
// the system, and its version is read from the receipt.
//
// What counts is the command's own answer, outside any project: see Environment.
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

// Channel is the name under which a tool of the system is asked for.
const Channel = "system"

// MaxAnswer is how much a command may print, in bytes.
const MaxAnswer = 64 << 10

// A Tool is a toolchain as its own command tells of it.
type Tool struct {
	Name    string
	Command string   // found on PATH; it alone stands for the toolchain
	Args    []string // what makes it print its version on stdout
	// Answer matches the beginning of what it prints: its first group the
	// version's numbers, its second, where it has one, what comes before the
	// release of these numbers, such as rc1.
	Answer *regexp.Regexp
	Env    map[string]string // what it needs set besides; see Environment
}

// Lookup returns the tool of a name.
func Lookup(name string) (Tool, bool) {
	for _, t := range tools() {
		if t.Name == name {
			return t, true
		}
	}
	return Tool{}, false
}

// Names are the tools that a machine may have, in order.
func Names() (names []string) {
	for _, t := range tools() {
		names = append(names, t.Name)
	}
	slices.Sort(names)
	return names
}

// tools is the table. A vendor whose numbers are its own is left out: Apple's
// clang 15 is no clang 15.
func tools() []Tool {
	version := []string{"--version"}
	starts := func(pattern string) *regexp.Regexp { return regexp.MustCompile("^" + pattern) }
	return []Tool{
		{Name: "bindgen", Command: "bindgen", Args: version, Answer: starts(`bindgen (\d+\.\d+\.\d+)(?:-([0-9A-Za-z.-]+))?\s`)},
		{Name: "clang", Command: "clang", Args: version,
			Answer: starts(`(?:(?:Alpine|Debian|FreeBSD|Homebrew|OpenBSD|Ubuntu) )?clang version (\d+\.\d+\.\d+)(?:-?(rc\d+))?\D`)},
		{Name: "cmake", Command: "cmake", Args: version, Answer: starts(`cmake version (\d+\.\d+(?:\.\d+)?)(?:-([0-9A-Za-z.-]+))?\s`)},
		{Name: "gcc", Command: "gcc", Args: version, Answer: starts(`gcc \([^\n]*?\) (\d+\.\d+\.\d+)\s`)}, // after whose package it is
		{Name: "go", Command: "go", Args: []string{"version"}, Answer: starts(`go version go(\d+\.\d+(?:\.\d+)?(?:(?:beta|rc)\d+)?)[ -]`),
			// It is not to choose another Go, nor to leave counters in the user's home.
			Env: map[string]string{"GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "", "XDG_CONFIG_HOME": os.DevNull}},
		{Name: "java", Command: "javac", Args: version, Answer: starts(`javac (\d+(?:\.\d+)*)\s`)}, // java alone compiles nothing
		{Name: "meson", Command: "meson", Args: version, Answer: starts(`(\d+\.\d+\.\d+)(?:\.(rc\d+))?\s`)},
		{Name: "ninja", Command: "ninja", Args: version, Answer: starts(`(\d+\.\d+(?:\.\d+)?)[.\s]`)}, // before the name of a branch
		{Name: "node", Command: "node", Args: version, Answer: starts(`v(\d+\.\d+\.\d+)(?:-([0-9A-Za-z.-]+))?\s`)},
		{Name: "python", Command: "python3", Args: version, Answer: starts(`Python (\d+\.\d+\.\d+)((?:a|b|rc)\d+)?[+\s]`)},
		{Name: "rust", Command: "rustc", Args: version, Answer: starts(`rustc (\d+\.\d+\.\d+)(?:-([0-9A-Za-z.-]+))?\s`)},
	}
}

// Version reads what the command of t printed. What comes before a release is
// written as Semantic Versioning does, 3.13.0-rc2, but for Go's, which is read as
// it is. Errors say what was printed instead.
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

// Environment is what the command of t is asked with, over what it inherits: it
// is in the root directory, so that no rust-toolchain.toml, go.mod or
// .tool-versions of a project has a say, and it has no network. The second is for
// commands that stand in for a toolchain (those of rustup, mise, volta) and
// would fetch what they lack; on port 9 only root could listen.
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
