package selfupdate_test

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"runtime"
	"slices"
	"testing"

	"github.com/kist-tools/kist/install/selfupdate"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

func TestCompare(t *testing.T) {
	one, two := verify.DigestOf([]byte("one")), verify.DigestOf([]byte("two"))
	for _, test := range []struct {
		version, release string
		same, named      bool
		want             string
	}{
		{"0.1.0", "0.2.0", false, false, selfupdate.Newer},
		{"v0.1.0", "0.2.0", false, false, selfupdate.Newer},
		{"v0.1.1-0.20261101000000-0123456789ab", "0.1.1", false, false, selfupdate.Newer},
		{"v0.1.1-0.20261101000000-0123456789ab", "0.1.0", false, false, selfupdate.Earlier},
		{"0.10.0", "0.9.0", false, false, selfupdate.Earlier},
		{"0.2.0", "0.2.0", false, false, selfupdate.Built},
		{"0.2.0", "0.2.0", true, false, selfupdate.Same},
		{"devel", "0.2.0", true, false, selfupdate.Same},
		{"devel", "0.2.0", false, false, ""},
		{"devel", "0.2.0", false, true, selfupdate.Newer},
		{"0.10.0", "0.9.0", false, true, selfupdate.Newer},
		{"0.9.0", "0.9.0", true, true, selfupdate.Same},
	} {
		have := one
		if test.same {
			have = two
		}
		a := manifests.Artifact{Integrity: manifests.Integrity{Digest: two}}
		got, err := selfupdate.Compare(test.version, have, manifests.Release{Version: test.release}, a, test.named)
		if got != test.want || (test.want == "") != as[*selfupdate.UnknownVersionError](err) {
			t.Errorf("%+v: %q, %v", test, got, err)
		}
	}
}

func TestOfAndIdentify(t *testing.T) {
	digest := func(v string) verify.Digest { return verify.DigestOf([]byte(v)) }
	release := func(version, component, format string) manifests.Release {
		return manifests.Release{Tool: "kist", Version: version, Artifacts: []manifests.Artifact{
			{Component: "kist", Layout: manifests.Layout{Format: "tar.gz"}, Integrity: manifests.Integrity{Digest: digest("archive of " + version)}},
			{Component: component, Layout: manifests.Layout{Format: format}, Integrity: manifests.Integrity{Digest: digest(version)}},
		}}
	}
	r, a, err := selfupdate.Of(release("0.1.0", "program", "file"))
	if err != nil || a.Integrity.Digest != digest("0.1.0") || len(r.Artifacts) != 1 {
		t.Errorf("%+v, %v", a, err)
	}
	for _, wrong := range []manifests.Release{release("0.1.0", "docs", "file"), release("0.1.0", "program", "tar.gz"), {}} {
		if _, _, err := selfupdate.Of(wrong); !as[*selfupdate.NoProgramError](err) || !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%+v: %v", wrong, err)
		}
	}
	all := map[string]manifests.Release{"=0.1.0": release("0.1.0", "program", "file"), "=0.2.0": release("0.2.0", "docs", "file"), "=0.3.0": release("0.3.0", "program", "file")}
	var versions []manifests.Version
	for _, v := range slices.Sorted(maps.Keys(all)) {
		versions = append(versions, manifests.Version{Tool: "kist", Version: v[1:]})
	}
	versions = append(versions, manifests.Version{Tool: "kist", Version: "0.4.0"}) // not made for this platform
	resolve := func(v string) (manifests.Release, error) {
		r, ok := all[v]
		if !ok {
			return r, errors.New("not made for this platform")
		}
		return r, nil
	}
	for text, want := range map[string]string{"0.1.0": "0.1.0", "0.3.0": "0.3.0", "0.2.0": "", "archive of 0.1.0": "", "other": ""} {
		if r, ok := selfupdate.Identify(versions, digest(text), resolve); r.Version != want || ok != (want != "") {
			t.Errorf("%s: %q, %v", text, r.Version, ok)
		}
	}
}

func TestCheckBuild(t *testing.T) {
	data := self(t)
	b, err := selfupdate.ReadBuild("kist", bytes.NewReader(data))
	if err != nil || b.OS != runtime.GOOS || b.Arch != runtime.GOARCH {
		t.Fatalf("%+v, %v", b, err)
	}
	here := manifests.Platform{OS: runtime.GOOS, Arch: runtime.GOARCH}
	// Tests are built without a version; the record of one has the same length.
	released := bytes.ReplaceAll(data, []byte("\t(devel)\t"), []byte("\tv0.2.0\tx"))
	for _, test := range []struct {
		data     []byte
		platform manifests.Platform
		version  string
		good     bool
	}{
		{data, here, "0.1.0", true},
		{released, here, "0.2.0", true},
		{released, here, "0.9.0", false},
		{released, here, "0.2.0-rc.1", false},
		{data, manifests.Platform{OS: "plan9", Arch: runtime.GOARCH}, "0.1.0", false},
		{data, manifests.Platform{OS: runtime.GOOS, Arch: "wasm"}, "0.1.0", false},
		{[]byte("#!/bin/sh\n"), here, "0.1.0", false},
		{data[:8192], here, "0.1.0", false},
		{nil, here, "0.1.0", false},
	} {
		err := selfupdate.CheckBuild(bytes.NewReader(test.data), manifests.Release{Tool: "kist", Version: test.version, Platform: test.platform}, manifests.Artifact{Name: "kist"})
		if (err == nil) != test.good || err != nil && !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%d bytes for %v as %s: %v", len(test.data), test.platform, test.version, err)
		}
	}
}

func TestRunningDigest(t *testing.T) {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := selfupdate.RunningDigest(path); err != nil || got != verify.DigestOf(self(t)) {
		t.Errorf("%v, %v", got, err)
	}
}

// FuzzReadBuild reads what lies where a program of kist should.
func FuzzReadBuild(f *testing.F) {
	data := self(f)
	for _, size := range []int{0, 64, 4096, 1 << 16} {
		f.Add(data[:size])
	}
	f.Add([]byte("\xff Go buildinf:"))
	f.Add([]byte("MZ"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := selfupdate.ReadBuild("kist", bytes.NewReader(data)); err != nil && !as[*selfupdate.NotKistError](err) {
			t.Error(err)
		}
	})
}
