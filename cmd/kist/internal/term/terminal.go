package term

import (
	"os"

	"golang.org/x/term"
)

// A Terminal tells which streams are a terminal, and how wide it is.
type Terminal struct {
	Stdin, Stdout, Stderr bool
	// Width returns the current number of columns of stderr; nil: usualColumns.
	Width func() int
}

// Detect returns the Terminal of three streams.
func Detect(stdin, stdout, stderr *os.File) Terminal {
	isTerminal := func(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
	return Terminal{
		Stdin: isTerminal(stdin), Stdout: isTerminal(stdout), Stderr: isTerminal(stderr),
		Width: func() int {
			columns, _, err := term.GetSize(int(stderr.Fd()))
			if err != nil {
				return 0
			}
			return columns
		},
	}
}

// usualColumns is the width assumed for a terminal that does not report it.
const usualColumns = 80

// columns returns the current width of the terminal.
func (t Terminal) columns() int {
	if t.Width != nil {
		if columns := t.Width(); columns > 0 {
			return columns
		}
	}
	return usualColumns
}
