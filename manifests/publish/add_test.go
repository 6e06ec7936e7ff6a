package publish_test

import (
	"bytes"
	"errors"
	"io"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/verify"
)

func TestAddReplacesAndMovesLabels(t *testing.T) {
	d := newDesk(t)
	first := addition("1.0.0", "linux/amd64", "one")
	first.Labels = []string{"stable", "lts"}
	first.Witness = &native.Witness{Path: "VERSION", Contains: "1.0.0"}
	d.add(first)
	d.sign()
	second := addition("1.1.0", "linux/amd64", "two")
	second.Labels, second.Commands = []string{"stable"}, []string{"zig", "zag"}
	if added := d.add(second); !slices.Equal(added.Moved, []string{"stable"}) || added.Replaced {
		t.Errorf("added %+v", added)
	}
	if added := d.add(addition("1.1.0", "linux/amd64", "two again")); !added.Replaced || len(added.Release.Artifacts) != 1 {
		t.Errorf("replacing: %+v", added)
	}
	other := addition("1.1.0", "linux/amd64", "two as zip")
	other.Artifact.Format, other.Name = "zip", "zig.zip"
	if added := d.add(other); added.Replaced || len(added.Release.Artifacts) != 2 {
		t.Errorf("alternative: %+v", added)
	}
	part := addition("1.1.0", "any", "docs")
	part.Artifact.Component, part.Artifact.Optional, part.Name = "docs", true, "docs.tar.gz"
	d.add(part)

	m, err := native.ParseDraft(d.read(publish.DraftFile))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Releases) != 2 || m.Releases[0].Version != "1.1.0" || m.Releases[1].Version != "1.0.0" {
		t.Fatalf("releases %+v", m.Releases)
	}
	newer, older := m.Releases[0], m.Releases[1]
	if !slices.Equal(newer.Labels, []string{"stable"}) || !slices.Equal(older.Labels, []string{"lts"}) ||
		!slices.Equal(newer.Commands, []string{"zig", "zag"}) || older.Witness == nil || newer.Witness != nil || len(newer.Artifacts) != 3 {
		t.Errorf("releases %+v", m.Releases)
	}
	if bytes.Contains(d.read(publish.ManifestFile), []byte("1.1.0")) {
		t.Error("what is published changed before it was signed")
	}
	if s := d.sign(); s.Mark.Serial != 2 {
		t.Errorf("serial %d", s.Mark.Serial)
	}
	report, err := d.verify(d.key)
	if err != nil {
		t.Fatal(err)
	}
	orphan := path.Join("blobs", verify.DigestOf([]byte("two")).Hex(), "zig-1.1.0.tar.gz")
	if report.Files != 4 || !slices.Equal(report.Notes, []string{orphan + ": the manifest names no such file"}) {
		t.Errorf("report %+v", report)
	}
}

func TestAddRefuses(t *testing.T) {
	d := newDesk(t)
	d.add(addition("1.0.0", "linux/amd64", "one"))
	change := func(f func(*publish.Addition)) publish.Addition {
		a := addition("1.1.0", "linux/amd64", "two")
		f(&a)
		return a
	}
	for name, a := range map[string]publish.Addition{
		"tool":                       change(func(a *publish.Addition) { a.Tool = "../zig" }),
		"version":                    change(func(a *publish.Addition) { a.Version = "/1" }),
		"label":                      change(func(a *publish.Addition) { a.Labels = []string{"a b"} }),
		"command leaves":             change(func(a *publish.Addition) { a.Commands = []string{"../zig"} }),
		"command pattern":            change(func(a *publish.Addition) { a.Commands = []string{"[z"} }),
		"witness leaves":             change(func(a *publish.Addition) { a.Witness = &native.Witness{Path: "/V", Contains: "1"} }),
		"component":                  change(func(a *publish.Addition) { a.Artifact.Component = "A" }),
		"format":                     change(func(a *publish.Addition) { a.Artifact.Format = "rar" }),
		"strip":                      change(func(a *publish.Addition) { a.Artifact.Strip = -1 }),
		"file name":                  change(func(a *publish.Addition) { a.Name = "../zig.tar.gz" }),
		"no file name":               change(func(a *publish.Addition) { a.Name = "" }),
		"backslash":                  change(func(a *publish.Addition) { a.Name = `a\b` }),
		"nothing but optional parts": change(func(a *publish.Addition) { a.Artifact.Optional = true }),
		"contradicting component": change(func(a *publish.Addition) {
			a.Version, a.Artifact.Platform.OS, a.Artifact.Optional = "1.0.0", "plan9", true
		}),
		"a command twice":           change(func(a *publish.Addition) { a.Commands = []string{"zig", "bin/zig"} }),
		"unknown platform":          change(func(a *publish.Addition) { a.Artifact.Platform.Arch = "x86_64" }),
		"version spelled otherwise": change(func(a *publish.Addition) { a.Version = "v1.0" }),
	} {
		d.mustRefuse(name, nil, func() error {
			if _, err := d.addAll(a); !errors.Is(err, manifests.ErrInput) {
				t.Errorf("%s: %v, want an InputError", name, err)
			}
			return nil
		})
	}
	d.mustRefuse("an empty file", nil, func() error {
		if _, err := publish.Measure(strings.NewReader("")); !errors.Is(err, manifests.ErrInput) {
			t.Errorf("got %v", err)
		}
		return nil
	})
	d.mustRefuse("two files for one place", nil, func() error {
		if _, err := d.addAll(addition("1.1.0", "any", "two"), addition("1.1.0", "any", "three")); !errors.Is(err, manifests.ErrInput) {
			t.Errorf("got %v", err)
		}
		return nil
	})
	d.mustRefuse("a file that changes while it is copied, after others", verify.ErrUntrusted, func() error {
		fickle := change(func(a *publish.Addition) {
			a.Open = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("owt")), nil }
		})
		_, err := d.addAll(addition("1.0.0", "linux/arm64", "one, too"), fickle)
		return err
	})
	broken := errors.New("broken")
	d.mustRefuse("a file that is gone", broken, func() error {
		_, err := d.addAll(change(func(a *publish.Addition) { a.Open = func() (io.ReadCloser, error) { return nil, broken } }))
		return err
	})
	d.add(change(func(*publish.Addition) {}))
}
