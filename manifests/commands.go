package manifests

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// MaxCommand is the longest name of a command, in bytes: that of a file on
// every system kist runs on.
const MaxCommand = 255

// ValidCommand reports whether name may be linked as a command:
// [A-Za-z0-9_][A-Za-z0-9._+-]*, or exactly "[", at most MaxCommand bytes. The
// name is typed in shells and read in lists, so it holds nothing that a shell
// interprets, that starts an option or a hidden file, or that cannot be seen.
// An extension by which Windows recognises programs does not count.
//
// "kist" is reserved in any case of letters, on every system, so that a manifest
// has one meaning everywhere: no channel, not even kist's own, may take the place
// of the program that verifies and removes what the channel installed.
func ValidCommand(name string) error {
	const first = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
	stem := programStem(name)
	reserved := programStem(strings.TrimRight(name, ".")) // Windows drops the dots
	switch {
	case len(name) > MaxCommand:
		return fmt.Errorf("command name %.64q…: longer than %d bytes", name, MaxCommand)
	case strings.EqualFold(strings.TrimRight(reserved, "."), "kist"):
		return fmt.Errorf("command name %q: reserved for kist itself", name)
	case stem == "[":
		return nil
	case stem == "" || !strings.Contains(first, stem[:1]) || strings.Trim(stem, first+".+-") != "":
		return fmt.Errorf("command name %q: only a-z A-Z 0-9 . _ + - may occur, and none of . + - at the start", name)
	}
	return nil
}

// MatchedCommand is ValidCommand for a name that only a pattern of a release
// matches. It refuses besides the programs that people give their password to
// (sudo and the like): those work with a set-user-ID bit alone, which kist never
// keeps, so that a release that means to bring one has to name it.
func MatchedCommand(name string) error {
	if slices.Contains([]string{"sudo", "sudoedit", "su", "doas", "pkexec", "run0", "passwd"}, strings.ToLower(programStem(name))) {
		return fmt.Errorf("command name %q: a program that asks for passwords, which only a release that names it may bring", name)
	}
	return ValidCommand(name)
}

// programStem is a command's name without the extension by which Windows knows
// it for a program. Extensions count on every system: a manifest is for all.
func programStem(name string) string {
	for _, ext := range []string{".exe", ".com", ".cmd", ".bat", ".ps1"} {
		if n := len(name) - len(ext); n >= 0 && strings.EqualFold(name[n:], ext) {
			return name[:n]
		}
	}
	return name
}

// CommandName is the name of the command that a pattern of Release.Commands is
// for. ok is false where only the files that match can tell.
func CommandName(pattern string) (name string, ok bool) {
	name = path.Base(pattern)
	return name, name == "[" || !hasMeta(name)
}

// MatchCommand reports whether the file at p, below the prefix, is one that a
// pattern of Release.Commands means. Patterns are those of path.Match, but that a
// last element "[" is the command of that name. An error is path.ErrBadPattern.
func MatchCommand(pattern, p string) (bool, error) {
	if dir, ok := strings.CutSuffix(pattern, "["); ok && path.Base(pattern) == "[" {
		pattern = dir + `\[`
	}
	return path.Match(pattern, p)
}

// CommandPath is the path of the file that a pattern of Release.Commands means.
// ok is false where several may match.
func CommandPath(pattern string) (p string, ok bool) {
	_, named := CommandName(pattern)
	return pattern, named && !hasMeta(path.Dir(pattern))
}

func hasMeta(s string) bool { return strings.ContainsAny(s, `*?[\`) }

// ValidCommandPattern accepts a pattern of Release.Commands that is well-formed
// and, where it names a command, names it by the rule of ValidCommand.
func ValidCommandPattern(pattern string) error {
	if _, err := MatchCommand(pattern, ""); err != nil {
		return fmt.Errorf("command pattern %.100q is malformed", pattern)
	}
	if name, ok := CommandName(pattern); ok {
		return ValidCommand(name)
	}
	return nil
}
