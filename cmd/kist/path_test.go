package main

import (
	"slices"
	"strings"
	"testing"
)

func TestHiddenCommands(t *testing.T) {
	there := map[string]bool{"/usr/bin/ls": true, "/usr/bin/sudo": true, "/bin/ls": true, "/sbin/ip": true, "/opt/own/go": true, "/own/go": true}
	look := func(path string) bool { return there[path] }
	for name, test := range map[string]struct {
		path  searchPath
		names string
		want  string
	}{
		"hides nothing":              {searchPath{after: []string{"/usr/bin"}, on: true}, "hello zig", ""},
		"hides the first of two":     {searchPath{after: []string{"/usr/bin", "/bin"}, on: true}, "ls", "/usr/bin/ls"},
		"what asks for secrets":      {searchPath{after: []string{"/usr/bin", "/sbin"}, on: true}, "ip ls sudo", "/usr/bin/sudo /sbin/ip /usr/bin/ls"},
		"what comes before is found": {searchPath{before: []string{"/usr/bin"}, after: []string{"/sbin"}, on: true}, "ls", ""},
		"not on PATH yet":            {searchPath{before: []string{"/own", "/usr/bin"}}, "go ls", "/own/go /usr/bin/ls"},
		"nothing on PATH":            {searchPath{}, "ls", ""},
	} {
		var got []string
		for _, h := range test.path.hiddenBy(strings.Fields(test.names), look) {
			got = append(got, h.Path)
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestHiddenLines(t *testing.T) {
	list := func(names string) (hidden []hiddenCommand) {
		for _, name := range strings.Fields(names) {
			hidden = append(hidden, hiddenCommand{name, "/usr/bin/" + name})
		}
		return hidden
	}
	for _, test := range []struct {
		hidden []hiddenCommand
		all    bool
		want   []string
	}{
		{nil, false, nil},
		{list("go"), false, []string{"go would be found before /usr/bin/go"}},
		{append(list("sudo ssh"), hiddenCommand{"ip", "/sbin/ip"}), false,
			[]string{"sudo and ssh would be found before those of /usr/bin", "ip would be found before /sbin/ip"}},
		{list("a b c d e f g h i"), false, []string{"a, b, c, d, e, f, g, h and i would be found before those of /usr/bin"}},
		{list("a b c d e f g h i j"), false, []string{"a, b, c, d, e, f, g, h and 2 more would be found before those of /usr/bin"}},
		{list("a b c d e f g h i j"), true, []string{"a, b, c, d, e, f, g, h, i and j would be found before those of /usr/bin"}},
	} {
		if got := hiddenLines(test.hidden, test.all); !slices.Equal(got, test.want) {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}
