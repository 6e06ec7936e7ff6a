package signedfiles_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/internal/signedfiles"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

const base = "https://dl.example.org/dist/"

var (
	now     = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	glibc   = manifests.Platform{OS: "linux", Arch: "amd64", Libc: "gnu"}
	musl    = manifests.Platform{OS: "linux", Arch: "amd64", Libc: "musl"}
	windows = manifests.Platform{OS: "windows", Arch: "amd64"}
)

// site is Node.js's, shortened.
func site() signedfiles.Site {
	return signedfiles.Site{
		Base: base, Index: "index.json", Parse: signedfiles.ParseNode, Numbering: manifests.SemverNumbering(),
		Lists:     []signedfiles.List{{Name: "v{version}/SHASUMS256.txt", Signature: ".sig"}, {Name: "v{version}/SHASUMS256.txt.asc"}},
		File:      "v{version}/node-v{version}-{platform}.{format}",
		Platforms: map[string]string{"linux/amd64/gnu": "linux-x64", "windows/amd64": "win-x64", "linux/s390x": "linux-s390x"},
		Layouts:   map[string]signedfiles.Layout{"": {Format: "tar.gz", Strip: 1, Commands: []string{"bin/node"}}, "windows": {Format: "zip"}},
	}
}

// A world is an upstream with its own key.
type world struct {
	*manifesttest.Upstream
	key  *verifytest.Key
	site signedfiles.Site
}

func newWorld(t *testing.T, versions ...string) world {
	w := world{&manifesttest.Upstream{Files: map[string][]byte{}}, verifytest.NewKey(t, "release", now.AddDate(-3, 0, 0)), site()}
	var published []manifesttest.World
	for _, version := range versions {
		version, line, _ := strings.Cut(version, "=")
		signed := now.AddDate(0, -1, 0)
		published = append(published, manifesttest.World{Name: line, Version: version, Issued: signed, Signed: signed, Signers: []*verifytest.Key{w.key}})
	}
	for name, data := range manifesttest.Publish(t, "node", published...) {
		w.Files[base+name] = data
	}
	return w
}

func (w world) fetch(t *testing.T, version string, p manifests.Platform) (manifests.Release, error) {
	t.Helper()
	source := signedfiles.Source{Channel: "node", Tool: "node", Site: w.site, Keys: verifytest.Keyring(t, w.key), Threshold: 1}
	q := manifests.Query{Request: manifests.Request{Tool: "node", Version: version, Platform: p}, Now: now}
	catalog, err := source.Fetch(t.Context(), w, q)
	if err != nil {
		return manifests.Release{}, err
	}
	release, err := catalog.Resolve(q.Request)
	if err == nil {
		err = release.Validate()
	}
	return release, err
}

func TestFetchProvesTheChosenList(t *testing.T) {
	w := newWorld(t, "23.1.0", "22.11.0=Jod", "22.9.0", "20.18.0=Iron")
	for _, test := range []struct{ asked, want string }{
		{"", "22.11.0"}, {"lts", "22.11.0"}, {"lts/jod", "22.11.0"}, {"latest", "23.1.0"}, {"22", "22.11.0"}, {"22.9", "22.9.0"},
		{"v20.18.0", "20.18.0"}, {"20.18.0", "20.18.0"},
	} {
		r, err := w.fetch(t, test.asked, glibc)
		if err != nil || r.Version != test.want {
			t.Errorf("%q: %s, %v", test.asked, r.Version, err)
			continue
		}
		file := "node-v" + test.want + "-linux-x64.tar.gz"
		a := r.Artifacts[0]
		if a.Name != file || a.Refs[0] != base+"v"+test.want+"/"+file || a.Integrity.Digest != verify.DigestOf(w.Files[a.Refs[0]]) ||
			a.Layout.Format != "tar.gz" || a.Layout.Strip != 1 || !slices.Equal(r.Commands, []string{"bin/node"}) {
			t.Errorf("%q: %+v", test.asked, a)
		}
		e := r.Evidence
		if e.Kind != verify.ByDetached || e.Name != base+"v"+test.want+"/SHASUMS256.txt" || e.Signers[0].Primary != w.key.Primary() ||
			slices.Contains(e.Notes, manifests.Unsigned) != !strings.HasSuffix(test.asked, "20.18.0") {
			t.Errorf("%q: evidence %+v", test.asked, e)
		}
	}
}

// TestAlternatives checks that other formats in the list become alternatives with the
// same proof.
func TestAlternatives(t *testing.T) {
	w := newWorld(t, "22.11.0=Jod")
	gz, xz := "node-v22.11.0-linux-x64.tar.gz", "node-v22.11.0-linux-x64.tar.xz"
	layout := w.site.Layouts[""]
	for name, test := range map[string]struct {
		also []string
		list func(string) string
		want []string // their names
		err  error
	}{
		"listed":               {[]string{"tar.xz"}, func(s string) string { return s }, []string{xz}, nil},
		"not listed":           {[]string{"tar.xz"}, func(s string) string { return strings.ReplaceAll(s, line(s, xz), "") }, nil, nil},
		"not asked for":        {nil, func(s string) string { return s }, nil, nil},
		"listed twice":         {[]string{"tar.xz"}, func(s string) string { return s + line(s, xz) }, nil, verify.ErrUntrusted},
		"the first is missing": {[]string{"tar.xz"}, func(s string) string { return strings.ReplaceAll(s, line(s, gz), "") }, nil, nil},
	} {
		layout.Also = test.also
		w.site.Layouts[""] = layout
		ref := base + "v22.11.0/SHASUMS256.txt"
		honest, signature := w.Files[ref], w.Files[ref+".sig"]
		w.Files[ref] = []byte(test.list(string(honest)))
		w.Files[ref+".sig"] = w.key.Sign(t, w.Files[ref], now.AddDate(0, -1, 0))
		r, err := w.fetch(t, "22.11.0", glibc)
		w.Files[ref], w.Files[ref+".sig"] = honest, signature
		if missing := name == "the first is missing"; err != nil || missing || test.err != nil {
			if missing != errors.As(err, new(*manifests.UnsupportedPlatformError)) || !missing && !errors.Is(err, test.err) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		var got []string
		for _, a := range r.Artifacts[0].Alternatives {
			got = append(got, a.Name)
			if a.Layout.Format != "tar.xz" || a.Layout.Strip != 1 || a.Component != "node" || a.Refs[0] != base+"v22.11.0/"+a.Name || a.Integrity.Digest.IsZero() {
				t.Errorf("%s: %+v", name, a)
			}
		}
		if r.Artifacts[0].Name != gz || !slices.Equal(got, test.want) {
			t.Errorf("%s: %s, alternatives %q, want %q", name, r.Artifacts[0].Name, got, test.want)
		}
	}
}

// line returns the list's line for a file.
func line(list, name string) string {
	for l := range strings.Lines(list) {
		if strings.HasSuffix(l, name+"\n") {
			return l
		}
	}
	return ""
}

func TestFetchRefusesAnotherToolVersionOrPlatform(t *testing.T) {
	w := newWorld(t, "22.11.0=Jod")
	for _, asked := range []string{"22.11.1", "21", "lts/joy", "nightly", "../x", "22.11.0/.."} {
		var unknown *manifests.UnknownVersionError
		if _, err := w.fetch(t, asked, glibc); !errors.As(err, &unknown) || unknown.Version != asked {
			t.Errorf("%q: %v", asked, err)
		}
	}
	for _, p := range []manifests.Platform{musl, {OS: "linux", Arch: "s390x", Libc: "gnu"}, {OS: "plan9", Arch: "amd64"}} {
		for _, asked := range []string{"", "22.11.0"} {
			var unsupported *manifests.UnsupportedPlatformError
			if _, err := w.fetch(t, asked, p); !errors.As(err, &unsupported) || !slices.Contains(unsupported.Have, glibc) {
				t.Errorf("%q on %s: %v", asked, p, err)
			}
		}
	}
	var tool *manifests.UnknownToolError
	source := signedfiles.Source{Channel: "node", Tool: "node", Site: w.site, Keys: verifytest.Keyring(t, w.key), Threshold: 1}
	if _, err := source.Fetch(t.Context(), w, manifests.Query{Request: manifests.Request{Tool: "bun", Platform: glibc}, Now: now}); !errors.As(err, &tool) {
		t.Errorf("another tool: %v", err)
	}
}

// TestSecondListIsFallback checks that a missing list is replaced by the second form,
// and a wrong one is not.
func TestSecondListIsFallback(t *testing.T) {
	list := base + "v22.11.0/SHASUMS256.txt"
	w := newWorld(t, "22.11.0=Jod")
	w.Tell(list+".sig", manifesttest.NotFound)
	r, err := w.fetch(t, "", glibc)
	if err != nil || r.Evidence.Kind != verify.ByClearsigned || r.Evidence.Name != list+".asc" || len(r.Artifacts) != 1 {
		t.Errorf("%+v, %v", r.Evidence, err)
	}
	for name, lie := range map[string]manifesttest.Lie{"empty": manifesttest.Empty, "cut": manifesttest.Cut, "flipped": manifesttest.Flipped(70), "replaced": manifesttest.Replaced([]byte("x"))} {
		w.Tell(list+".sig", lie)
		if _, err := w.fetch(t, "", glibc); !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("a signature that is %s: %v", name, err)
		}
	}
	w.Tell(list+".sig", manifesttest.Unreachable)
	if _, err := w.fetch(t, "", glibc); !errors.Is(err, manifests.ErrUnreachable) {
		t.Errorf("a signature that is unreachable: %v", err)
	}
	w.Tell(list+".sig", manifesttest.NotFound)
	w.Tell(list+".asc", manifesttest.NotFound)
	var unsigned *verify.SignatureError
	if _, err := w.fetch(t, "", glibc); !errors.As(err, &unsigned) {
		t.Errorf("a list without any signature: %v", err)
	}
	w.Tell(list, manifesttest.NotFound)
	if _, err := w.fetch(t, "", glibc); !errors.Is(err, manifests.ErrNotFound) || errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("no list: %v", err)
	}
}

// TestLyingIndexProvesNothing checks that a dishonest index can hide and invent
// versions, but gets nothing false accepted.
func TestLyingIndexProvesNothing(t *testing.T) {
	index := base + "index.json"
	serve := func(text string) world {
		w := newWorld(t, "22.11.0=Jod", "20.18.0=Iron")
		w.Files[index] = []byte(text)
		return w
	}
	hides := serve(`[{"version":"v20.18.0","files":["linux-x64"],"lts":"Jod","date":"2026-10-22"}]`)
	if r, err := hides.fetch(t, "lts/jod", glibc); err != nil || r.Version != "20.18.0" || !slices.Contains(r.Evidence.Notes, manifests.Unsigned) {
		t.Errorf("an old version called the newest: it is proved, and the evidence says by what: %s, %v", r.Version, err)
	}
	if r, err := hides.fetch(t, "22.11.0", glibc); err != nil || r.Version != "22.11.0" || len(r.Evidence.Notes) > 0 {
		t.Errorf("a hidden version, asked for exactly: %s %v, %v", r.Version, r.Evidence.Notes, err)
	}
	invents := serve(`[{"version":"v99.0.0","files":["linux-x64"],"lts":"Zinc"}]`)
	if _, err := invents.fetch(t, "", glibc); !errors.Is(err, manifests.ErrNotFound) {
		t.Errorf("an invented version: %v", err)
	}
	platform := serve(`[{"version":"v22.11.0","files":["linux-s390x"],"lts":"Jod"}]`)
	var unsupported *manifests.UnsupportedPlatformError
	if _, err := platform.fetch(t, "", manifests.Platform{OS: "linux", Arch: "s390x", Libc: "gnu"}); !errors.As(err, &unsupported) || len(unsupported.Have) == 0 {
		t.Errorf("an invented platform: %v", err)
	}
	// A date later than the signature is refused; an earlier one, or none, gains
	// nothing.
	for date, want := range map[string]error{"2026-10-22": nil, "2026-10-23": nil, "2026-10-24": verify.ErrUntrusted, "2036-01-01": verify.ErrUntrusted, "1999-01-01": nil, "": nil, "soon": nil} {
		dated := serve(`[{"version":"v22.11.0","files":["linux-x64"],"lts":"Jod","date":"` + date + `"}]`)
		if _, err := dated.fetch(t, "", glibc); !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("dated %q: %v", date, err)
		}
	}
	for _, lie := range []manifesttest.Lie{manifesttest.NotFound, manifesttest.Unreachable, manifesttest.Broken} {
		absent := serve("")
		absent.Tell(index, lie)
		if _, err := absent.fetch(t, "22.11.0", glibc); err != nil {
			t.Errorf("an exact version needs no index: %v", err)
		}
		if _, err := absent.fetch(t, "22", glibc); err == nil {
			t.Error("a prefix is accepted")
		}
	}
	if _, err := serve("<!DOCTYPE html>").fetch(t, "", glibc); !errors.As(err, new(*manifests.PageError)) {
		t.Errorf("a web page: %v", err)
	}
	for _, text := range []string{"", "[]", strings.Repeat(" ", manifests.MaxHint+1)} {
		if _, err := serve(text).fetch(t, "", glibc); !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

// TestFixedFileNamesNeedAWitness checks that a site with the same file names in every
// version is refused without a witness.
func TestFixedFileNamesNeedAWitness(t *testing.T) {
	w := newWorld(t, "22.11.0=Jod")
	for _, suffix := range []string{"", ".sig", ".asc"} {
		delete(w.Files, base+"v22.11.0/SHASUMS256.txt"+suffix)
	}
	list := []byte(one + "  node-linux-x64.tar.gz\n")
	w.Files[base+"v22.11.0/SHASUMS256.txt"] = list
	w.Files[base+"v22.11.0/SHASUMS256.txt.sig"] = verifytest.SignBinary(t, list, now.AddDate(0, -1, 0), w.key)
	w.site.File = "v{version}/node-{platform}.{format}"
	if _, err := w.fetch(t, "", glibc); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("got %v", err)
	}
	layout := w.site.Layouts[""]
	layout.Witness = manifests.Witness{Path: "bin/node{exe}", Contains: "node v{version}"}
	w.site.Layouts[""] = layout
	r, err := w.fetch(t, "", glibc)
	if err != nil || *r.Artifacts[0].Witness != (manifests.Witness{Path: "bin/node", Contains: "node v22.11.0"}) {
		t.Errorf("%+v, %v", r.Artifacts, err)
	}
}

// TestFetchForNoPlatform checks that a list is proved without a platform, as adding a
// channel does.
func TestFetchForNoPlatform(t *testing.T) {
	w := newWorld(t, "22.11.0=Jod", "20.18.0=Iron")
	source := signedfiles.Source{Channel: "node", Tool: "node", Site: w.site, Keys: verifytest.Keyring(t, w.key), Threshold: 1}
	q := manifests.Query{Now: now}
	catalog, err := source.Fetch(t.Context(), w, q)
	if err != nil {
		t.Fatal(err)
	}
	if !catalog.Mark().IsZero() || len(catalog.Versions("")) != 2 || len(catalog.Versions("bun")) != 0 {
		t.Errorf("%+v", catalog.Versions(""))
	}
	release, err := catalog.Resolve(manifests.Request{Tool: "node"})
	if err == nil {
		err = release.Validate()
	}
	if !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("a release without artifacts: %v", err)
	}
	w.Tell(base+"v22.11.0/SHASUMS256.txt.sig", manifesttest.Flipped(80))
	if _, err := source.Fetch(t.Context(), w, q); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("a list that is not proved: %v", err)
	}
}
