package gosum_test

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/gosum"
	"github.com/kist-tools/kist/verify"
)

func TestFetchProvesTheRequest(t *testing.T) {
	for _, test := range []struct {
		asked, version   string
		stable, unsigned bool
	}{
		{"", "1.27.3", true, true}, {"stable", "1.27.3", true, true}, {"latest", "1.27.3", true, true},
		{"1.25", "1.25.14", false, true}, {"1.24.4", "1.24.4", false, false}, {"go1.24.4", "1.24.4", false, false},
		{"1.28rc1", "1.28rc1", false, false}, {"1.27.3", "1.27.3", true, false}, {"1.20", "1.20", false, false},
	} {
		w := newWorld(t)
		release, err := w.fetch(t, proxyURL, ask(test.asked))
		if err != nil {
			t.Errorf("%q: %v", test.asked, err)
			continue
		}
		if release.Version != test.version || slices.Contains(release.Labels, "stable") != test.stable ||
			slices.Contains(release.Evidence.Notes, manifests.Unsigned) != test.unsigned {
			t.Errorf("%q: got %s, labels %v, notes %v", test.asked, release.Version, release.Labels, release.Evidence.Notes)
		}
		module := moduleVersion(test.version, "linux-amd64")
		artifact := release.Artifacts[0]
		if tree := artifact.Integrity.Tree; tree.H1 != hash(t, w.zips[module]) || tree.Evidence.Tree.Name != "sum.example.org" {
			t.Errorf("%q: integrity %+v", test.asked, tree)
		}
		if want := proxyURL + "/golang.org/toolchain/@v/" + module + ".zip"; len(release.Artifacts) != 1 || artifact.Refs[0] != want || artifact.Size != 0 {
			t.Errorf("%q: artifacts %+v", test.asked, release.Artifacts)
		}
		if artifact.Witness.Contains != "go"+test.version || !artifact.Witness.WholeLine {
			t.Errorf("%q: witness %+v", test.asked, artifact.Witness)
		}
	}
}

func TestFetchFindsUnlistedExactVersion(t *testing.T) {
	w := newWorld(t)
	w.list = "v0.0.1-go1.25.9.linux-amd64\n"
	for _, version := range []string{"1.24.4", "go1.28rc1"} {
		if release, err := w.fetch(t, proxyURL, ask(version)); err != nil || release.Version != strings.TrimPrefix(version, "go") {
			t.Errorf("%s: %s, %v", version, release.Version, err)
		}
	}
	w.answer("/golang.org/toolchain/@v/list", http.StatusNotFound, nil)
	if _, err := w.fetch(t, proxyURL, ask("1.24.4")); err != nil {
		t.Errorf("without any list: %v", err)
	}
	if _, err := w.fetch(t, proxyURL, ask("")); !errors.Is(err, manifests.ErrUnreachable) {
		t.Errorf("the newest of no list: %v", err)
	}
}

func TestFetchReportsUnknownVersions(t *testing.T) {
	for _, asked := range []string{"1.24.99", "1.26", "1.24.4rc1", "lts", "2", "../../etc/passwd"} {
		w := newWorld(t)
		_, err := w.fetch(t, proxyURL, ask(asked))
		var unknown *manifests.UnknownVersionError
		if !errors.As(err, &unknown) || unknown.Version != asked || unknown.Tool != "go" {
			t.Errorf("%q: %v", asked, err)
		}
	}
	w := newWorld(t)
	_, err := w.fetch(t, proxyURL, ask("1.25.15"))
	var unknown *manifests.UnknownVersionError
	if !errors.As(err, &unknown) || len(unknown.Near) == 0 || unknown.Near[0] != "1.25.14" {
		t.Errorf("near 1.25.15: %v", err)
	}

	q := ask("1.25")
	q.Platform = manifests.Platform{OS: "plan9", Arch: "mips"}
	var unsupported *manifests.UnsupportedPlatformError
	if _, err := w.fetch(t, proxyURL, q); !errors.As(err, &unsupported) {
		t.Errorf("plan9: %v", err)
	}
	q.Version = "1.24.4" // exists nowhere
	if _, err := w.fetch(t, proxyURL, q); !errors.As(err, &unsupported) {
		t.Errorf("1.24.4 for plan9: %v", err)
	}

	other := ask("")
	other.Tool = "rust"
	var tool *manifests.UnknownToolError
	if _, err := w.fetch(t, proxyURL, other); !errors.As(err, &tool) {
		t.Errorf("another tool: %v", err)
	}
	component := ask("")
	component.Components = []string{"docs"}
	var unknownComponent *manifests.UnknownPartError
	if _, err := w.fetch(t, proxyURL, component); !errors.As(err, &unknownComponent) {
		t.Errorf("a component: %v", err)
	}
}

func TestFileAndRecordMustBothExist(t *testing.T) {
	module := moduleVersion("1.24.4", "linux-amd64")
	zip, record := "/golang.org/toolchain/@v/"+module+".zip", "/sumdb/sum.example.org/lookup/golang.org/toolchain@"+module
	var unknown *manifests.UnknownVersionError

	w := newWorld(t)
	w.answer(zip, http.StatusNotFound, nil)
	if _, err := w.fetch(t, proxyURL, ask("1.24.4")); !errors.As(err, &unknown) {
		t.Errorf("no file: %v", err)
	}
	w.answer(zip, http.StatusGone, nil)
	if _, err := w.fetch(t, proxyURL, ask("1.24")); !errors.As(err, &unknown) || unknown.Version != "1.24.4" {
		t.Errorf("no file of the listed version: %v", err)
	}
	w.answer(zip, http.StatusBadGateway, nil)
	if _, err := w.fetch(t, proxyURL, ask("1.24.4")); !errors.Is(err, manifests.ErrUnreachable) {
		t.Errorf("file out of reach: %v", err)
	}
	w.answer(record, http.StatusNotFound, nil)
	w.answer(zip, http.StatusForbidden, nil) // some proxies answer this for missing files
	if _, err := w.fetch(t, proxyURL, ask("1.24.4")); !errors.As(err, &unknown) {
		t.Errorf("neither: %v", err)
	}
	delete(w.answers, zip)
	if _, err := w.fetch(t, proxyURL, ask("1.24.4")); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("a file without a record: %v", err)
	}
	w = newWorld(t)
	if _, err := w.fetch(t, proxyURL, ask("1.24.4")); err != nil {
		t.Errorf("the honest twin: %v", err)
	}
}

// TestListProvesNothing checks that a dishonest list can only hide or name versions.
func TestListProvesNothing(t *testing.T) {
	w := newWorld(t)
	honest := w.list
	w.list = honest + "v0.0.1-go1.99.0.linux-amd64\n" // invented
	var unknown *manifests.UnknownVersionError
	if _, err := w.fetch(t, proxyURL, ask("")); !errors.As(err, &unknown) || unknown.Version != "1.99.0" {
		t.Errorf("a version made up: %v", err)
	}
	w.list = strings.Join(strings.Split(honest, "\n")[:3], "\n") // newer versions hidden
	release, err := w.fetch(t, proxyURL, ask(""))
	if err != nil || release.Version != "1.20" || !slices.Contains(release.Evidence.Notes, manifests.Unsigned) {
		t.Errorf("new versions hidden: %v %v", release.Version, err)
	}
	w.list = "<!DOCTYPE html><title>Welcome to the hotel</title>"
	if _, err := w.fetch(t, proxyURL, ask("")); !errors.As(err, new(*manifests.PageError)) || errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("a page: %v", err)
	}
	w.list = strings.Repeat(honest, 1+(4<<20)/len(honest))
	if _, err := w.fetch(t, proxyURL, ask("")); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("a list over the limit: %v", err)
	}
	for _, useless := range []string{w.list, "", "<!DOCTYPE html><title>Welcome to the hotel</title>"} {
		w.list = useless
		if release, err := w.fetch(t, proxyURL, ask("1.24.4")); err != nil || release.Version != "1.24.4" {
			t.Errorf("an exact version, with the list %.20q: %v", useless, err)
		}
		if _, err := w.fetch(t, proxyURL, ask("1.24.99")); !errors.As(err, &unknown) {
			t.Errorf("an exact version that is nowhere, with the list %.20q: %v", useless, err)
		}
	}
}

func TestVersionsAreListedForOnePlatform(t *testing.T) {
	w := newWorld(t)
	catalog, err := w.source(t, proxyURL).Fetch(t.Context(), w, ask(""))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range catalog.Versions("go") {
		if !v.Unsigned || slices.Contains(v.Labels, "stable") != (v.Version == "1.27.3") {
			t.Errorf("%+v", v)
		}
		got = append(got, v.Version)
	}
	if want := []string{"1.28rc1", "1.27.3", "1.25.14", "1.25.9", "1.24.4", "1.20", "1.10", "1.9.7", "1.9rc2"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if list := catalog.Versions("rust"); list != nil {
		t.Errorf("versions of another tool: %v", list)
	}
	if _, err := catalog.Resolve(ask("1.24.4").Request); err == nil {
		t.Error("an unproved version was resolved")
	}
	if _, err := catalog.Resolve(ask("1.27.3").Request); err != nil {
		t.Errorf("the proved version by its number: %v", err)
	}
}

func TestMarkFollowsTheNewestTree(t *testing.T) {
	w := newWorld(t)
	source := w.source(t, proxyURL)
	first, err := source.Fetch(t.Context(), w, ask("1.24.4"))
	if err != nil {
		t.Fatal(err)
	}
	oldAnswer, _ := w.db.Read(t.Context(), "/lookup/golang.org/toolchain@"+moduleVersion("1.24.4", "linux-amd64"), 0)
	w.db.Fill(t, 100)
	q := ask("1.24.4")
	q.Last = first.Mark()
	second, err := source.Fetch(t.Context(), w, q)
	if err != nil || second.Mark().Serial != first.Mark().Serial+100 || second.Mark().Channel != "go" {
		t.Fatalf("mark %+v, %v", second.Mark(), err)
	}
	w.answer("/sumdb/sum.example.org/lookup/golang.org/toolchain@"+moduleVersion("1.24.4", "linux-amd64"), http.StatusOK, oldAnswer)
	q.Last = second.Mark()
	third, err := source.Fetch(t.Context(), w, q)
	if err != nil || !bytes.Equal(third.Mark().Head, second.Mark().Head) {
		t.Fatalf("an older, proved tree: mark %+v, %v", third.Mark(), err)
	}
	if err := third.Mark().Supersedes(second.Mark(), now); err != nil {
		t.Error(err)
	}
	q.Last.Head = []byte("lost")
	var lost *verify.MarkError
	if _, err := source.Fetch(t.Context(), w, q); !errors.As(err, &lost) || lost.Channel != "go" {
		t.Errorf("a damaged mark: %v", err)
	}
}

func TestReleaseIsLaidOutAsTheGoCommandDoes(t *testing.T) {
	w := newWorld(t)
	release, err := w.fetch(t, proxyURL, ask(""))
	if err != nil {
		t.Fatal(err)
	}
	layout := release.Artifacts[0].Layout
	if layout.Format != "zip" || layout.Strip != 2 || !layout.Modeless || layout.Copies["_go.mod"] != "go.mod" {
		t.Errorf("layout %+v", layout)
	}
	for _, pattern := range []string{"bin/**", "pkg/tool/**", "lib/*/go_?*_?*_exec"} {
		if !slices.Contains(layout.Exec, pattern) {
			t.Errorf("%s is not made executable", pattern)
		}
	}
	if !slices.Equal(release.Commands, []string{"bin/go", "bin/gofmt"}) || release.Env["GOROOT"] != "{prefix}" || release.Env["GOTOOLCHAIN"] != "local" {
		t.Errorf("commands %v, environment %v", release.Commands, release.Env)
	}

	windows := ask("1.24.4")
	windows.Platform = manifests.Platform{OS: "windows", Arch: "amd64"}
	module := moduleVersion("1.24.4", "windows-amd64")
	w.zips[module] = toolchainZip(t, "1.24.4")
	w.db.Add(t, gosum.Module, module, hash(t, w.zips[module]))
	if release, err = w.fetch(t, proxyURL, windows); err != nil || !slices.Equal(release.Commands, []string{"bin/go.exe", "bin/gofmt.exe"}) {
		t.Errorf("on Windows: %v, %v", release.Commands, err)
	}
}
