package projectfiles

import (
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/project"
)

// ReadWants returns what one file, which has the form of kist.toml, wants. A file that names
// no tool is an error: it was probably cut. Errors name verb, which asks.
func ReadWants(verb, path string) (wants []toolset.Want, err error) {
	data, err := namedfiles.Read(path, project.MaxFile)
	if err != nil {
		return nil, err
	}
	content, err := project.ParseOwn(path, data)
	if err != nil {
		return nil, err
	}
	for _, ask := range content.Asks {
		wants = append(wants, toolset.WantOf(ask))
	}
	if len(wants) == 0 {
		return nil, failure.Usage("%s: %s names no tool", verb, path)
	}
	return wants, nil
}
