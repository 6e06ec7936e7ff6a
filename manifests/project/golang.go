package project

import (
	"strings"

	"golang.org/x/mod/modfile"
)

// parseGoMod reads go.mod: the toolchain line, else the go line as the beginning of a
// version. Source: https://go.dev/doc/toolchain.
func parseGoMod(data []byte) (Content, error) {
	f, err := modfile.ParseLax("go.mod", data, nil)
	if err != nil {
		return Content{}, err
	}
	for _, statement := range f.Syntax.Stmt { // ParseLax leaves the toolchain line out
		if line, ok := statement.(*modfile.Line); ok && len(line.Token) == 2 && line.Token[0] == "toolchain" {
			f.Toolchain = &modfile.Toolchain{Name: line.Token[1]}
		}
	}
	return goLines(f.Go, f.Toolchain), nil
}

// parseGoWork reads go.work as parseGoMod reads go.mod.
func parseGoWork(data []byte) (Content, error) {
	f, err := modfile.ParseWork("go.work", data, nil)
	if err != nil {
		return Content{}, err
	}
	return goLines(f.Go, f.Toolchain), nil
}

func goLines(line *modfile.Go, toolchain *modfile.Toolchain) (c Content) {
	switch {
	case toolchain != nil && toolchain.Name != "default":
		version, problem := goVersion(toolchain.Name)
		if problem != "" {
			c.skip("go %.40q: %s", toolchain.Name, problem)
			return c
		}
		c.add("go", "="+version)
	case line != nil:
		c.add("go", line.Version)
	}
	return c
}

// goVersion reads "1.26", "go1.26.3" or "go1.26.3-custom".
func goVersion(word string) (version, problem string) {
	version = strings.TrimPrefix(word, "go")
	version, custom, _ := strings.Cut(version, "-")
	switch {
	case custom != "":
		return "", "a toolchain that somebody built; kist installs only those of the Go project"
	case version == "" || !isDigit(version[0]):
		return "", "not a version of Go"
	}
	return version, ""
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
