package term

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text that kist did not write itself is foreign: file names, arguments, answers
// of servers, what certificates and keys say. In output it is escaped, so that it
// cannot start a line, move the cursor, or hide.

// IsVisible reports whether r can be printed as it is: it is not a control
// character, a line separator, an unusual space, a direction mark, or any other
// character that programs show as nothing.
func IsVisible(r rune) bool {
	return unicode.IsPrint(r) && !unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// Escape returns s with every character that is not visible written as Go
// would write it in a string: \n, \x1b, \u202e. Bytes that are not UTF-8
// become \xff and the like.
func Escape(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !IsVisible(r) || r == utf8.RuneError }) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case IsVisible(r):
			b.WriteString(s[:size])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < utf8.RuneSelf:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		s = s[size:]
	}
	return b.String()
}

// labels are the beginnings of lines by which users recognize kist's own messages.
var labels = []string{"error:", "warning:", "hint:", "nothing was changed"}

// unlabel escapes the first letter of a line that foreign text begins, if that
// text begins with a label.
func unlabel(s string) string {
	for _, label := range labels {
		if len(s) >= len(label) && strings.EqualFold(s[:len(label)], label) {
			return fmt.Sprintf(`\x%02x`, s[0]) + s[1:]
		}
	}
	return s
}

// Sprintf is fmt.Sprintf with every argument escaped: only format can break lines in
// the result, and no argument can begin it with a label.
func Sprintf(format string, args ...any) string {
	escaped := make([]any, len(args))
	for i, arg := range args {
		escaped[i] = arg
		if _, width := arg.(int); !width { // "%*d" needs an int, and no int needs escaping
			escaped[i] = foreign{arg}
		}
	}
	text := fmt.Sprintf(format, escaped...)
	if strings.HasPrefix(format, "%") {
		return unlabel(text)
	}
	return text
}

// A foreign value is formatted as the value itself would be, and then escaped.
type foreign struct{ value any }

func (f foreign) Format(s fmt.State, verb rune) {
	value := f.value
	if err, ok := value.(error); ok && verb != 'q' {
		value = ErrorText(err)
	}
	fmt.Fprint(s, Escape(fmt.Sprintf(fmt.FormatString(s, verb), value)))
}

// ErrorText is err.Error() on one line: errors that were joined by errors.Join,
// here or further down, are separated by semicolons, not by line breaks.
func ErrorText(err error) string {
	text := err.Error()
	var causes []error
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		causes = []error{e.Unwrap()}
	case interface{ Unwrap() []error }:
		causes = e.Unwrap()
	}
	var before, after []string
	for _, cause := range causes {
		if cause != nil {
			before, after = append(before, cause.Error()), append(after, ErrorText(cause))
		}
	}
	if len(before) > 1 && text == strings.Join(before, "\n") {
		return strings.Join(after, "; ")
	}
	for i := range before {
		if before[i] != after[i] {
			text = strings.Replace(text, before[i], after[i], 1)
		}
	}
	return text
}

// escapeJSON returns JSON text with every character that is not visible, except the
// line breaks between its parts, as \u and four digits. The value is the same.
func escapeJSON(text []byte) []byte {
	var b strings.Builder
	for _, r := range string(text) {
		switch {
		case r == '\n' || IsVisible(r):
			b.WriteRune(r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		}
	}
	return []byte(b.String())
}
