package manifests

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// maxCommand is the greatest length of a command name, in bytes. It is the longest
// file name on every system that kist runs on.
const maxCommand = 255

// ValidCommand reports whether name may be linked as a command:
// [A-Za-z0-9_][A-Za-z0-9._+-]*, or exactly "[", at most maxCommand bytes. The
// name is typed in shells and read in lists, so it must have no characters that a
// shell interprets or that are invisible, and must not begin like an option or a
// hidden file. The rule applies to the name without an extension of Windows programs.
//
// "kist" is reserved in any case of letters, on every system, so that a manifest
// has one meaning everywhere: no channel, not even kist's own, may replace the
// program that verifies and removes what the channel installed.
func ValidCommand(name string) error {
	const first = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
	stem := programStem(name)
	reserved := programStem(strings.TrimRight(name, ".")) // Windows drops the dots
	switch {
	case len(name) > maxCommand:
		return fmt.Errorf("command name %.64q…: longer than %d bytes", name, maxCommand)
	case strings.EqualFold(strings.TrimRight(reserved, "."), "kist"):
		return fmt.Errorf("command name %q: reserved for kist itself", name)
	case stem == "[":
		return nil
	case stem == "" || !strings.Contains(first, stem[:1]) || strings.Trim(stem, first+".+-") != "":
		return fmt.Errorf("command name %q: only a-z A-Z 0-9 . _ + - may occur, and none of . + - at the start", name)
	}
	return nil
}

// MatchedCommand is ValidCommand for a name that matches a pattern of a release and
// is not spelled out in it. It also refuses programs that ask for a password (sudo
// and the like). They work only with a set-user-ID bit, which kist never sets, so a
// release that really provides one has to name it.
func MatchedCommand(name string) error {
	if slices.Contains([]string{"sudo", "sudoedit", "su", "doas", "pkexec", "run0", "passwd"}, strings.ToLower(programStem(name))) {
		return fmt.Errorf("command name %q: a program that asks for passwords, which only a release that names it may bring", name)
	}
	return ValidCommand(name)
}

// programStem returns name without an extension that makes a file a program on
// Windows. It does so on every system, because a manifest is for all of them.
func programStem(name string) string {
	for _, ext := range []string{".exe", ".com", ".cmd", ".bat", ".ps1"} {
		if n := len(name) - len(ext); n >= 0 && strings.EqualFold(name[n:], ext) {
			return name[:n]
		}
	}
	return name
}

// CommandName returns the command name that a pattern of Release.Commands spells out.
// ok is false if the name depends on the files that match.
func CommandName(pattern string) (name string, ok bool) {
	name = path.Base(pattern)
	return name, name == "[" || !hasMeta(name)
}

// MatchCommand reports whether the file at p, below the prefix, matches a pattern of
// Release.Commands. Patterns are those of path.Match, except that a last element "["
// is the command of that name. The error is path.ErrBadPattern.
func MatchCommand(pattern, p string) (bool, error) {
	if dir, ok := strings.CutSuffix(pattern, "["); ok && path.Base(pattern) == "[" {
		pattern = dir + `\[`
	}
	return path.Match(pattern, p)
}

// CommandPath returns pattern if it is the path of one file. ok is false if it may
// match several.
func CommandPath(pattern string) (p string, ok bool) {
	_, named := CommandName(pattern)
	return pattern, named && !hasMeta(path.Dir(pattern))
}

func hasMeta(s string) bool { return strings.ContainsAny(s, `*?[\`) }

// ValidCommandPattern checks that a pattern of Release.Commands is well-formed, and
// that the command name it spells out, if any, is a ValidCommand.
func ValidCommandPattern(pattern string) error {
	if _, err := MatchCommand(pattern, ""); err != nil {
		return fmt.Errorf("command pattern %.100q is malformed", pattern)
	}
	if name, ok := CommandName(pattern); ok {
		return ValidCommand(name)
	}
	return nil
}
