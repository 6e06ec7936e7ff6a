package host_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/kist-tools/kist/install/host"
)

func TestAptSources(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text), Mode: 0o644} }
	root := fstest.MapFS{
		"etc/apt/sources.list":                       file("deb http://one.example/debian bookworm main\n"),
		"etc/apt/sources.list.d/b.list":              file("deb http://four.example/debian bookworm main\n"),
		"etc/apt/sources.list.d/a.list":              file("deb mirror+file:/etc/apt/mirrors/debian.list bookworm main\n"),
		"etc/apt/sources.list.d/a.sources":           file("Types: deb\nURIs: http://five.example/debian\nSuites: bookworm\nComponents: main\n"),
		"etc/apt/sources.list.d/c.list.save":         file("deb http://saved.example/debian bookworm main\n"),
		"etc/apt/sources.list.d/huge.list":           file("deb http://huge.example/debian bookworm main\n" + strings.Repeat("#", host.MaxSmall)),
		"etc/apt/sources.list.d/directory.list/file": file(""),
		"etc/apt/mirrors/debian.list":                file("# mirrors\nhttp://two.example/debian\tpriority:1\n\nhttp://three.example/debian\n"),
	}
	var got []string
	for _, s := range host.AptSources(root) {
		got = append(got, s.URIs...)
	}
	want := "[http://one.example/debian http://two.example/debian http://three.example/debian http://four.example/debian http://five.example/debian]"
	if fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
	if list := host.AptSources(fstest.MapFS{}); list != nil {
		t.Errorf("a machine without apt has %v", list)
	}
}
