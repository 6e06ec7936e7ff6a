package term

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/rivo/uniseg"
)

// A Page is the text form of a result.
type Page struct {
	out   strings.Builder
	color bool
}

// String returns the text written so far.
func (p *Page) String() string { return p.out.String() }

// Line writes a line, its arguments escaped.
func (p *Page) Line(format string, args ...any) {
	p.out.WriteString(Sprintf(format, args...) + "\n")
}

// Field writes a line with a name and a value for each value that is not empty.
func (p *Page) Field(name string, values ...string) {
	for _, value := range values {
		if value != "" {
			p.Line("  %-13s %s", name, value)
		}
	}
}

// Headline writes what happened: did, in green, then the rest of the line.
func (p *Page) Headline(did, format string, args ...any) {
	if p.color {
		did = colored(green, did)
	}
	p.out.WriteString(did + " " + Sprintf(format, args...) + "\n")
}

// pageWidth is the width in columns that wrapped lists keep to.
const pageWidth = 80

// Wrapped writes label and names in lines of at most pageWidth columns, broken only
// between names.
func (p *Page) Wrapped(label string, names []string) {
	line := Escape(label)
	indent := strings.Repeat(" ", len(line)-len(strings.TrimLeft(line, " "))+2)
	for i, name := range names {
		word := Escape(name)
		if i < len(names)-1 {
			word += ","
		}
		if i > 0 && Width(line)+1+Width(word) > pageWidth {
			p.out.WriteString(line + "\n")
			line = indent + word
			continue
		}
		line += " " + word
	}
	p.out.WriteString(line + "\n")
}

// Raw writes text unchanged: for scripts that a shell reads.
func (p *Page) Raw(text string) { p.out.WriteString(text) }

// JSON writes a JSON text, every character of it that is not visible escaped.
func (p *Page) JSON(text []byte) { p.out.Write(escapeJSON(text)) }

// Table writes rows in columns; the last one is not padded.
func (p *Page) Table(rows [][]string) {
	w := tabwriter.NewWriter(&p.out, 0, 8, 2, ' ', 0)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, c := range row {
			cells[i] = Escape(c)
		}
		fmt.Fprintln(w, unlabel(strings.TrimRight(strings.Join(cells, "\t"), "\t")))
	}
	w.Flush()
}

// Count formats a number of things, such as "13,475 files".
func Count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits + " " + one + "s"
}

// maxEnumerated is how many names one line lists; it counts the others.
const maxEnumerated = 8

// Enumerate lists names as a sentence does: all of them, or only the first.
func Enumerate(names []string, all bool) string {
	if n := len(names) - maxEnumerated; n > 1 && !all {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxEnumerated], ", "), n)
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// ByteSize formats a size in bytes with decimal units.
func ByteSize(n int64) string {
	const units = "kMGTPE"
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n)/1000, 0
	for f >= 999.95 {
		f /= 1000
		unit++
	}
	return fmt.Sprintf("%.1f %cB", f, units[unit])
}

// maxWord is the longest word, in characters, that Brief keeps.
const maxWord = 200

// Brief shortens words of s that are too long, such as an argument that was a file's
// contents by mistake. It keeps both ends.
func Brief(s string) string {
	words := strings.Split(s, " ")
	for i, word := range words {
		if r := []rune(word); len(r) > maxWord {
			words[i] = string(r[:maxWord-50]) + "…" + string(r[len(r)-50:])
		}
	}
	return strings.Join(words, " ")
}

// Width returns the number of columns that s takes on a terminal.
func Width(s string) int { return uniseg.StringWidth(s) }
