package manifests

import (
	"fmt"
	"strings"
)

// ValidName checks the name of a tool, a channel or a component:
// [a-z0-9][a-z0-9._+-]{0,63}, without "..", a trailing dot or a device name of
// Windows. Only valid names and versions become parts of paths.
func ValidName(s string) error {
	const first = "abcdefghijklmnopqrstuvwxyz0123456789"
	return valid(s, first, first+"._+-")
}

// ValidVersion checks the text of a version: the characters of ValidName, upper-case
// letters, "~" and ":".
func ValidVersion(s string) error {
	const first = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	return valid(s, first, first+"._+-~:")
}

func valid(s, first, rest string) error {
	lower := strings.ToLower(s)
	switch {
	case s == "":
		return fmt.Errorf("%q: it is empty", s)
	case len(s) > 64:
		return fmt.Errorf("%.64q…: longer than 64 characters", s)
	case lower != s && strings.Trim(s, rest) != "" && valid(lower, first, rest) == nil:
		return fmt.Errorf("%q: write it in lower case: %s", s, lower)
	case !strings.Contains(first, s[:1]) || strings.Trim(s, rest) != "":
		return fmt.Errorf("%q: only %s may occur, and none of ._+-~: at the start", s, alphabet(rest))
	case strings.Contains(s, "..") || strings.HasSuffix(s, "."):
		return fmt.Errorf("%q: two dots together, or a dot at the end", s)
	case windowsDevice(s):
		return fmt.Errorf("%q: a device name on Windows", s)
	}
	return nil
}

func alphabet(rest string) string {
	if strings.Contains(rest, "A") {
		return "a-z A-Z 0-9 . _ + - ~ :"
	}
	return "a-z 0-9 . _ + -"
}

func windowsDevice(s string) bool {
	stem, _, _ := strings.Cut(strings.ToUpper(s), ".")
	switch stem {
	case "CON", "PRN", "AUX", "NUL":
		return true
	}
	return len(stem) == 4 && (strings.HasPrefix(stem, "COM") || strings.HasPrefix(stem, "LPT")) && stem[3] >= '1' && stem[3] <= '9'
}
