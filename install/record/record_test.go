package record

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

func sample() Receipt {
	return Receipt{Head: Head{Format: Format, ID: "acme-zig-0.14.0-0a1b2c3d", Channel: "acme", Tool: "zig", Version: "0.14.0",
		Platform: manifests.Platform{OS: "linux", Arch: "amd64"}, Components: []string{"zig"},
		Evidence:  verify.Evidence{Kind: verify.ByDetached, Name: "channel.toml", Digest: verify.DigestOf([]byte("m"))},
		Artifacts: []Artifact{{Name: "zig.tar", Size: 1, Digest: verify.DigestOf([]byte("a"))}},
		Commands:  []Command{{Name: "zig", Path: "bin/zig"}}, Env: map[string]string{"ZIG": "{prefix}"},
		Prefix: "/p", Installed: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), Kist: "1.0"},
		Entries: []Entry{{Path: "bin", Type: Dir, Mode: 0o755},
			{Path: "bin/zig", Type: File, Mode: 0o755, Size: 1, Digest: verify.DigestOf([]byte("z")), Component: "zig"},
			{Path: "zig", Type: Link, Target: "bin/zig"}}}
}

func TestReceiptRoundTrip(t *testing.T) {
	data, err := sample().Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseReceipt(data)
	if err != nil || !reflect.DeepEqual(got, sample()) {
		t.Errorf("got %+v, %v", got, err)
	}
	half := data[:bytes.Index(data, []byte(`"bin/zig",`))]
	head, err := ParseHead(bytes.NewReader(half))
	if err != nil || !reflect.DeepEqual(head, sample().Head) {
		t.Errorf("the head of a receipt whose entries are cut: %+v, %v", head, err)
	}
	if head, err := ParseHead(bytes.NewReader(data[:100])); err == nil {
		t.Errorf("a head that is cut was read as %+v", head)
	}
}

// Each edit makes a receipt by which nothing may be removed.
func TestEditedReceiptsAreRefused(t *testing.T) {
	for name, edit := range map[string][2]string{
		"absolute path":         {`"bin/zig",`, `"/etc/passwd",`},
		"escaping path":         {`"bin/zig",`, `"../../.bashrc",`},
		"hidden escape":         {`"bin/zig",`, `"bin/../../x",`},
		"the prefix itself":     {`"path": "bin",`, `"path": ".",`},
		"empty path":            {`"path": "bin",`, `"path": "",`},
		"NUL in a path":         {`"bin/zig",`, `"bin/\u0000",`},
		"a path twice":          {`"path": "zig",`, `"path": "bin",`},
		"unknown type":          {`"type": "dir",`, `"type": "socket",`},
		"file without digest":   {`"type": "dir",`, `"type": "file",`},
		"link without target":   {`"target": "bin/zig"`, `"target": ""`},
		"setuid":                {`"mode": 493`, `"mode": 2541`},
		"unknown field":         {`"kist":`, `"run": "rm", "kist":`},
		"unknown format":        {`"format": 1`, `"format": 2`},
		"id that leaves":        {`acme-zig-0.14.0-0a1b2c3d`, `../../acme-0a1b2c3d`},
		"channel that leaves":   {`"channel": "acme"`, `"channel": "../acme"`},
		"command name a path":   {`"name": "zig",`, `"name": "../zig",`},
		"command path leaves":   {`"path": "bin/zig"`, `"path": "/bin/sh"`},
		"text after it":         {"}\n", "}\n{}"},
		"weak digest":           {`"digest": "sha256:` + verify.DigestOf([]byte("z")).Hex(), `"digest": "md5:00`},
		"version with a slash":  {`"version": "0.14.0"`, `"version": "0/14"`},
		"negative size":         {`"size": 1,`, `"size": -1,`},
		"target on a directory": {`"type": "dir",`, `"type": "dir", "target": "x",`},
	} {
		data, err := sample().Encode()
		if err != nil {
			t.Fatal(err)
		}
		edited := strings.ReplaceAll(string(data), edit[0], edit[1])
		if edited == string(data) {
			t.Errorf("%s: the edit changed nothing", name)
		}
		if _, err := ParseReceipt([]byte(edited)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestGenerationRoundTrip(t *testing.T) {
	g := Generation{Format: Format, Number: 3, Parent: 2, Made: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Receipts: []ID{"acme-zig-0.14.0-0a1b2c3d"}, Defaults: map[string]ID{"acme/zig": "acme-zig-0.14.0-0a1b2c3d"},
		Links: []CommandLink{{Name: "zig", ID: "acme-zig-0.14.0-0a1b2c3d", Target: "bin/zig"}}}
	data, err := g.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseGeneration(data)
	if err != nil || !reflect.DeepEqual(got, g) {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, edit := range [][2]string{{`"bin/zig"`, `"../../../bin/sh"`}, {`"name": "zig"`, `"name": "a/b"`},
		{`"acme-zig-0.14.0-0a1b2c3d"`, `"../x"`}, {`"format": 1`, `"format": 9`}} {
		if _, err := ParseGeneration([]byte(strings.ReplaceAll(string(data), edit[0], edit[1]))); err == nil {
			t.Errorf("%s: accepted", edit[1])
		}
	}
}

func TestIDsAreOnePathElement(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		version := rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9._+~:-]{0,30}`).
			Filter(func(s string) bool { return manifests.ValidVersion(s) == nil }).Draw(t, "version")
		id := NewID("acme", "zig", version, [4]byte{1, 2, 3, 4})
		if !id.Valid() || strings.ContainsAny(string(id), "/:~ABCDEFGHIJKLMNOPQRSTUVWXYZ") || !strings.HasSuffix(string(id), "-01020304") {
			t.Fatalf("%q is no id", id)
		}
	})
}

func FuzzReceipt(f *testing.F) {
	data, err := sample().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ParseReceipt(data)
		if err != nil {
			return
		}
		for _, e := range r.Entries {
			if !Local(e.Path) || strings.Contains("/"+e.Path+"/", "/../") {
				t.Errorf("%q was accepted", e.Path)
			}
		}
		again, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseReceipt(again); err != nil {
			t.Errorf("what was read cannot be written and read again: %v", err)
		}
	})
}

func FuzzGeneration(f *testing.F) {
	f.Add([]byte(`{"format":1,"number":1,"made":"2026-01-02T03:04:05Z","receipts":["acme-zig-0.14.0-0a1b2c3d"]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		g, err := ParseGeneration(data)
		if err != nil {
			return
		}
		for _, l := range g.Links {
			if strings.Contains(l.Name, "/") || !Local(l.Target) {
				t.Errorf("link %+v was accepted", l)
			}
		}
	})
}
