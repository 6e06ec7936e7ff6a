package signedfiles_test

import (
	"io"
	"os"
	"slices"
	"testing"

	"github.com/therootcompany/xz"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/internal/signedfiles"
)

// realIndex returns upstream's own index from the days of Go 1.13, from
// actions/setup-go, __tests__/data/golang-dl.json.
func realIndex(tb testing.TB) []byte {
	tb.Helper()
	file, err := os.Open("testdata/go-dl.json.xz")
	if err != nil {
		tb.Fatal(err)
	}
	defer file.Close()
	in, err := xz.NewReader(file, 64<<20)
	if err != nil {
		tb.Fatal(err)
	}
	data, err := io.ReadAll(in)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func TestParseGoReadsTheRealIndex(t *testing.T) {
	hint, err := signedfiles.ParseGo(realIndex(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		asked, want string
		platform    manifests.Platform
	}{
		{"", "1.13.7", linux}, {"1.12", "1.12.16", linux}, {"1.9", "1.9.7", linux}, {"1.12", "1.12.16", arm},
		{"", "1.13.7", manifests.Platform{OS: "darwin", Arch: "amd64"}},
		{"", "1.13.7", manifests.Platform{OS: "windows", Arch: "386"}},
	} {
		got, err := hint.Choose("go", manifests.Request{Tool: "go", Version: test.asked, Platform: test.platform}, manifests.GoNumbering())
		if err != nil || got.Version != test.want || got.Missing != nil {
			t.Errorf("%q for %s: %+v, %v", test.asked, test.platform, got, err)
		}
	}
	if n := len(hint.Versions("go", linux)); n != 90 {
		t.Errorf("%d versions for linux/amd64", n)
	}
}

// TestParseGoSkipsInvalidEntries checks that repeated versions and files that are not
// for a known platform are skipped.
func TestParseGoSkipsInvalidEntries(t *testing.T) {
	hint, err := signedfiles.ParseGo([]byte(`[{"version":"go1.24.4","stable":true,"new":{},"files":[{"os":"linux","arch":"amd64","kind":"archive"}]},
		{"version":"go1.24.4","stable":true,"files":[{"os":"plan9","arch":"386","kind":"archive"}]},
		{"version":"go1.25rc1","stable":true,"files":[{"os":"li nux","arch":"amd64","kind":"archive"}]}]`))
	if err != nil || len(hint) != 2 || !slices.Equal(hint[0].Platforms, []manifests.Platform{linux}) || hint[1].Stable || len(hint[1].Platforms) != 0 {
		t.Errorf("%+v, %v", hint, err)
	}
}
