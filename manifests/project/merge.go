package project

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/kist-tools/kist/manifests"
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
// nearest file says. As for the go command, a go.work counts before every go.mod. A range
// of versions, which says what the project works with, gives way to a version in it that
// a farther file chooses. files are in order: the nearest directory first, and within one
// directory in the order of Formats. The result is sorted by tool.
func Merge(files []Read) []Want {
	files = moveBefore(files, File, func(Read) bool { return true })
	files = moveBefore(files, "go.work", func(f Read) bool { return path.Base(f.Path) == "go.mod" })
	var wants []Want
	for _, f := range files {
		for _, a := range f.Asks {
			i := slices.IndexFunc(wants, func(w Want) bool { return w.Tool == a.Tool })
			switch {
			case i < 0:
				wants = append(wants, Want{Ask: a, Path: f.Path})
			case wants[i].covers(a):
				wants[i].Over = append([]Overruled{{wants[i].Ask, wants[i].Path}}, wants[i].Over...)
				wants[i].Ask, wants[i].Path = a, f.Path
			case !wants[i].equal(a):
				wants[i].Over = append(wants[i].Over, Overruled{a, f.Path})
			}
		}
	}
	slices.SortStableFunc(wants, func(a, b Want) int { return strings.Compare(a.Tool, b.Tool) })
	return wants
}

// moveBefore returns files with the first one called name before the first other for which
// before returns true, unless it is there already.
func moveBefore(files []Read, name string, before func(Read) bool) []Read {
	from := slices.IndexFunc(files, func(f Read) bool { return path.Base(f.Path) == name })
	to := slices.IndexFunc(files, before)
	if to < 0 || from <= to {
		return files
	}
	moved := files[from]
	return slices.Insert(slices.Delete(slices.Clone(files), from, from+1), to, moved)
}

// covers reports whether a is a range of versions, and b chooses one in it. The beginning of
// a version stands for the newest with it. Labels cannot be compared with a range.
func (a Ask) covers(b Ask) bool {
	number, _ := manifests.ExactVersion(b.Version)
	if a.Range == "" || number == "" || !isDigit(number[0]) {
		return false
	}
	for strings.Count(number, ".") < 2 {
		number += fmt.Sprintf(".%d", uint64(maxNumber))
	}
	return a.Allows(number, nil)
}

// equal reports whether a and b ask for the same.
func (a Ask) equal(b Ask) bool {
	return a.Channel == b.Channel && a.Tool == b.Tool && a.Version == b.Version && a.Range == b.Range && a.Profile == b.Profile &&
		slices.Equal(a.Components, b.Components) && slices.Equal(a.Targets, b.Targets)
}
