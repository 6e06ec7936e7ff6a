package project

import (
	"path"
	"slices"
	"strings"
)

// A Read is a file that was read.
type Read struct {
	Path string // its directory decides which file is nearer, its name which comes first
	Content
}

// A Want is what a project wants of one tool.
type Want struct {
	Ask
	Path string // of the file that decides
	// Over are the requests of other files for the same tool that differ and do not count.
	Over []Overruled
}

// IsOwn reports whether kist.toml decides, and not a file of another program.
func (w Want) IsOwn() bool { return path.Base(w.Path) == File }

// An Overruled is a request that another file's request takes precedence over.
type Overruled struct {
	Ask
	Path string
}

// Merge decides what a project wants: for each tool what kist.toml says, else what the
// nearest file says. files are in order: the nearest directory first, and within one
// directory in the order of Formats. The result is sorted by tool.
func Merge(files []Read) []Want {
	own := slices.IndexFunc(files, func(f Read) bool { return path.Base(f.Path) == File })
	if own > 0 {
		first := files[own]
		files = append([]Read{first}, slices.Delete(slices.Clone(files), own, own+1)...)
	}
	var wants []Want
	for _, f := range files {
		for _, a := range f.Asks {
			i := slices.IndexFunc(wants, func(w Want) bool { return w.Tool == a.Tool })
			switch {
			case i < 0:
				wants = append(wants, Want{Ask: a, Path: f.Path})
			case !wants[i].equal(a):
				wants[i].Over = append(wants[i].Over, Overruled{a, f.Path})
			}
		}
	}
	slices.SortStableFunc(wants, func(a, b Want) int { return strings.Compare(a.Tool, b.Tool) })
	return wants
}

// equal reports whether a and b ask for the same.
func (a Ask) equal(b Ask) bool {
	return a.Channel == b.Channel && a.Tool == b.Tool && a.Version == b.Version && a.Range == b.Range && a.Profile == b.Profile &&
		slices.Equal(a.Components, b.Components) && slices.Equal(a.Targets, b.Targets)
}
