package change_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/cmd/kist/internal/change"
	"github.com/kist-tools/kist/install/host"
)

func TestHiddenLines(t *testing.T) {
	list := func(names string) (hidden []host.HiddenCommand) {
		for _, name := range strings.Fields(names) {
			hidden = append(hidden, host.HiddenCommand{Name: name, Path: "/usr/bin/" + name})
		}
		return hidden
	}
	for _, test := range []struct {
		hidden []host.HiddenCommand
		all    bool
		want   []string
	}{
		{nil, false, nil},
		{list("go"), false, []string{"go would be found before /usr/bin/go"}},
		{append(list("sudo ssh"), host.HiddenCommand{Name: "ip", Path: "/sbin/ip"}), false,
			[]string{"sudo and ssh would be found before those of /usr/bin", "ip would be found before /sbin/ip"}},
		{list("a b c d e f g h i"), false, []string{"a, b, c, d, e, f, g, h and i would be found before those of /usr/bin"}},
		{list("a b c d e f g h i j"), false, []string{"a, b, c, d, e, f, g, h and 2 more would be found before those of /usr/bin"}},
		{list("a b c d e f g h i j"), true, []string{"a, b, c, d, e, f, g, h, i and j would be found before those of /usr/bin"}},
	} {
		if got := change.HiddenLines(test.hidden, test.all); !slices.Equal(got, test.want) {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}
