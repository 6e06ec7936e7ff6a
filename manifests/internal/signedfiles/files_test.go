package signedfiles_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/internal/signedfiles"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

const goBase = "https://dl.example.org/go/"

var (
	linux = manifests.Platform{OS: "linux", Arch: "amd64"}
	arm   = manifests.Platform{OS: "linux", Arch: "arm"}
)

func goSite() signedfiles.Site {
	return signedfiles.Site{
		Base: goBase, Index: "index.json", Parse: signedfiles.ParseGo, Numbering: manifests.GoNumbering(),
		File: "go{version}.{platform}.{format}", Signature: ".asc",
		Platforms: map[string]string{"linux/arm": "linux-armv6l"},
		Layouts:   map[string]signedfiles.Layout{"": layout("tar.gz"), "windows": layout("zip")},
	}
}

func layout(format string) signedfiles.Layout {
	return signedfiles.Layout{Format: format, Strip: 1,
		Witness:  manifests.Witness{Path: "VERSION", Contains: "go{version}", WholeLine: true},
		Commands: []string{"bin/go{exe}"}, Env: map[string]string{"GOROOT": "{prefix}"}}
}

// goIndex lists versions as Go's downloads do, each for three platforms.
func goIndex(versions ...string) []byte {
	var entries []string
	for _, v := range versions {
		stable := !strings.ContainsAny(v, "rb")
		entries = append(entries, fmt.Sprintf(`{"version":"go%[1]s","stable":%[2]v,"files":[
			{"filename":"go%[1]s.src.tar.gz","os":"","arch":"","kind":"source"},
			{"filename":"go%[1]s.linux-amd64.tar.gz","os":"linux","arch":"amd64","sha256":"00","size":-1,"kind":"archive"},
			{"filename":"../../x","os":"linux","arch":"armv6l","kind":"archive"},
			{"filename":"go%[1]s.windows-amd64.zip","os":"windows","arch":"amd64","kind":"archive"},
			{"filename":"go%[1]s.darwin-amd64.pkg","os":"darwin","arch":"amd64","kind":"installer"}]}`, v, stable))
	}
	return []byte("[" + strings.Join(entries, ",") + "]")
}

// prove checks an artifact's signature as an install does.
func prove(r manifests.Release, t manifests.Transport, tb testing.TB) error {
	artifact := r.Artifacts[0]
	data, err := manifests.ReadAll(tb.Context(), t, artifact.Refs[0], 1<<20)
	if err != nil {
		return err
	}
	signature := artifact.Integrity.Signature
	_, err = signature.Policy.File(artifact.Name, bytes.NewReader(data), signature.Data)
	return err
}

// A goWorld is Go's upstream with its own key.
type goWorld struct {
	*manifesttest.Upstream
	key *verifytest.Key
}

func newGoWorld(t *testing.T, versions ...string) goWorld {
	w := goWorld{&manifesttest.Upstream{Files: map[string][]byte{goBase + "index.json": goIndex(versions...)}},
		verifytest.NewKey(t, "google", now.AddDate(-3, 0, 0))}
	for _, version := range versions {
		for _, platform := range []string{"linux-amd64.tar.gz", "linux-armv6l.tar.gz", "windows-amd64.zip"} {
			file := goBase + "go" + version + "." + platform
			w.Files[file] = []byte("go " + version + " for " + platform)
			w.Files[file+".asc"] = w.key.Sign(t, w.Files[file], now.AddDate(0, -1, 0))
		}
	}
	return w
}

func (w goWorld) source(t *testing.T) signedfiles.Source {
	return signedfiles.Source{Channel: "go", Tool: "go", Site: goSite(), Keys: verifytest.Keyring(t, w.key), Threshold: 1}
}

func ask(version string, p manifests.Platform) manifests.Query {
	return manifests.Query{Request: manifests.Request{Tool: "go", Version: version, Platform: p}, Now: now}
}

func (w goWorld) fetch(t *testing.T, q manifests.Query) (manifests.Release, error) {
	t.Helper()
	catalog, err := w.source(t).Fetch(t.Context(), w, q)
	if err != nil {
		return manifests.Release{}, err
	}
	release, err := catalog.Resolve(q.Request)
	if err != nil {
		return manifests.Release{}, err
	}
	return release, release.Validate()
}

func TestFetchReturnsTheSignature(t *testing.T) {
	w := newGoWorld(t, "1.9.7", "1.10", "1.24.4", "1.25.9", "1.25.14", "1.26.1", "1.27rc1")
	for _, test := range []struct {
		asked    string
		platform manifests.Platform
		file     string
		unsigned bool
	}{
		{"", linux, "go1.26.1.linux-amd64.tar.gz", true},
		{"1.25", linux, "go1.25.14.linux-amd64.tar.gz", true},
		{"1.24.4", linux, "go1.24.4.linux-amd64.tar.gz", false},
		{"go1.24.4", linux, "go1.24.4.linux-amd64.tar.gz", false},
		{"1.27rc1", linux, "go1.27rc1.linux-amd64.tar.gz", false},
		{"stable", arm, "go1.26.1.linux-armv6l.tar.gz", true},
		{"latest", manifests.Platform{OS: "windows", Arch: "amd64"}, "go1.26.1.windows-amd64.zip", true},
	} {
		release, err := w.fetch(t, ask(test.asked, test.platform))
		if err != nil {
			t.Errorf("%q: %v", test.asked, err)
			continue
		}
		artifact := release.Artifacts[0]
		if artifact.Name != test.file || artifact.Refs[0] != goBase+test.file || artifact.Size != 0 ||
			!bytes.Equal(artifact.Integrity.Signature.Data, w.Files[goBase+test.file+".asc"]) {
			t.Errorf("%q: artifact %+v", test.asked, artifact)
		}
		format := "tar.gz"
		if test.platform.OS == "windows" {
			format = "zip"
		}
		if artifact.Layout.Format != format || artifact.Layout.Strip != 1 || artifact.Witness.Contains != "go"+release.Version {
			t.Errorf("%q: layout %+v, witness %+v", test.asked, artifact.Layout, artifact.Witness)
		}
		if slices.Contains(release.Evidence.Notes, manifests.Unsigned) != test.unsigned || release.Evidence.Kind != "" {
			t.Errorf("%q: evidence %+v", test.asked, release.Evidence)
		}
		if artifact.Integrity.Signature.Policy.Use != verify.Release || !artifact.Integrity.Signature.Policy.Now.Equal(now) {
			t.Errorf("%q: policy %+v", test.asked, artifact.Integrity.Signature.Policy)
		}
		if err := prove(release, w, t); err != nil {
			t.Errorf("%q: %v", test.asked, err)
		}
	}
}

func TestSignedFileOfAnotherToolVersionOrPlatform(t *testing.T) {
	w := newGoWorld(t, "1.24.4", "1.25.9")
	for _, asked := range []string{"1.24.99", "1.23", "lts", "../x"} {
		var unknown *manifests.UnknownVersionError
		if _, err := w.fetch(t, ask(asked, linux)); !errors.As(err, &unknown) || unknown.Version != asked {
			t.Errorf("%q: %v", asked, err)
		}
	}
	var unsupported *manifests.UnsupportedPlatformError
	if _, err := w.fetch(t, ask("1.25", manifests.Platform{OS: "darwin", Arch: "amd64"})); !errors.As(err, &unsupported) {
		t.Errorf("a platform with an installer only: %v", err)
	}
	q := ask("", linux)
	q.Tool = "rust"
	var tool *manifests.UnknownToolError
	if _, err := w.fetch(t, q); !errors.As(err, &tool) {
		t.Errorf("another tool: %v", err)
	}
}

func TestFetchWithoutTheFileOrItsSignature(t *testing.T) {
	file := goBase + "go1.25.9.linux-amd64.tar.gz"
	for _, test := range []struct {
		missing   string
		lie       manifesttest.Lie
		want      error
		untrusted bool
	}{
		{file, manifesttest.NotFound, manifests.ErrNotFound, false},
		{file, manifesttest.Unreachable, manifests.ErrUnreachable, false},
		{file + ".asc", manifesttest.NotFound, verify.ErrUntrusted, true}, // the file exists, but is unsigned
		{file + ".asc", manifesttest.Unreachable, manifests.ErrUnreachable, false},
	} {
		w := newGoWorld(t, "1.25.9")
		w.Tell(test.missing, test.lie)
		if _, err := w.fetch(t, ask("", linux)); !errors.Is(err, test.want) || errors.Is(err, verify.ErrUntrusted) != test.untrusted {
			t.Errorf("%s: %v", test.missing, err)
		}
	}
	w := newGoWorld(t, "1.25.9")
	w.Tell(file, manifesttest.NotFound)
	w.Tell(file+".asc", manifesttest.NotFound)
	if _, err := w.fetch(t, ask("", linux)); !errors.Is(err, manifests.ErrNotFound) || errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("neither of them: %v", err)
	}
	w = newGoWorld(t, "1.25.9")
	w.Tell(file+".asc", manifesttest.Empty)
	if _, err := w.fetch(t, ask("", linux)); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("an empty signature: %v", err)
	}
	w.Tell(file+".asc", nil)
	w.Tell(goBase+"index.json", manifesttest.NotFound)
	if _, err := w.fetch(t, ask("1.25.9", linux)); err != nil {
		t.Errorf("an exact version needs no index: %v", err)
	}
	if _, err := w.fetch(t, ask("1.25", linux)); !errors.Is(err, manifests.ErrNotFound) {
		t.Errorf("a prefix does: %v", err)
	}
}

func TestSignatureByAnotherKey(t *testing.T) {
	w := newGoWorld(t, "1.25.9")
	file := goBase + "go1.25.9.linux-amd64.tar.gz"
	honest := w.Files[file+".asc"]
	var wrong *verify.SignatureError
	w.Files[file+".asc"] = verifytest.NewKey(t, "mallory", now.AddDate(-3, 0, 0)).Sign(t, w.Files[file], now.AddDate(0, -1, 0))
	if _, err := w.fetch(t, ask("", linux)); !errors.As(err, &wrong) || slices.Contains(w.Asked(), file) {
		t.Errorf("got %v, asked for %v", err, w.Asked())
	}
	w.Files[file+".asc"] = w.key.Sign(t, []byte("something else"), now.AddDate(0, -1, 0))
	release, err := w.fetch(t, ask("", linux))
	if err != nil {
		t.Fatal(err)
	}
	if err := prove(release, w, t); !errors.As(err, &wrong) {
		t.Errorf("over something else: %v", err)
	}
	w.Files[file+".asc"] = honest
	if release, err = w.fetch(t, ask("", linux)); err != nil || prove(release, w, t) != nil {
		t.Errorf("the honest twin: %v", err)
	}
}
