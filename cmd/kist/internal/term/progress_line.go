package term

import (
	"io"
	"strings"

	"github.com/rivo/uniseg"
	"github.com/schollz/progressbar/v3"
)

// A progressLine is one line about work in progress.
type progressLine struct {
	doing       string  // "downloading"
	label       string  // "go 1.27.4"
	done, total int64   // bytes; total is -1 if not known
	rate        float64 // bytes a second; 0: not known yet
}

const (
	minLabel = 12 // columns that a label keeps before other parts are left out
	barCells = 14 // columns within a bar
)

// render returns the line in at most the given number of columns. If there is too
// little room, it shortens the label in the middle, then leaves out the rate, then
// the bar, then the sizes.
func (l progressLine) render(columns int) string {
	label := Escape(l.label)
	size, rate, bar := amount(l.done, l.total), "", ""
	if l.rate > 0 {
		rate = ByteSize(int64(l.rate)) + "/s"
	}
	if l.total > 0 {
		bar = renderBar(l.done, l.total)
	}
	for _, parts := range [][]string{{bar, size, rate}, {bar, size}, {size}, {ByteSize(l.done)}, nil} {
		rest := ""
		for _, part := range parts {
			if part != "" {
				rest += "  " + part
			}
		}
		head := Escape(l.doing) + " "
		if room := columns - Width(head+rest); room >= min(minLabel, Width(label)) {
			return head + Shorten(label, room) + rest
		}
	}
	return Shorten(label, columns)
}

// renderBar returns a bar and the percentage done.
func renderBar(done, total int64) string {
	bar := progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(io.Discard),
		progressbar.OptionSetWidth(barCells),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetElapsedTime(false),
	)
	bar.Set64(min(max(done, 0), total))
	return strings.TrimSpace(bar.String())
}

// Shorten returns s in at most the given number of columns. It keeps both ends.
func Shorten(s string, columns int) string {
	if columns < 1 {
		return ""
	}
	if Width(s) <= columns {
		return s
	}
	var clusters []string
	for g := uniseg.NewGraphemes(s); g.Next(); {
		clusters = append(clusters, g.Str())
	}
	// The two ends grow in turn, as long as they fit beside the ellipsis.
	head, tail, from, to := "", "", 0, len(clusters)
	for room := columns - 1; from < to; {
		next, front := clusters[from], from <= len(clusters)-to
		if !front {
			next = clusters[to-1]
		}
		if room -= Width(next); room < 0 {
			break
		}
		if front {
			head, from = head+next, from+1
		} else {
			tail, to = next+tail, to-1
		}
	}
	return head + "…" + tail
}

func blanks(n int) string { return strings.Repeat(" ", max(n, 0)) }
