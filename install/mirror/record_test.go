package mirror

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/kist-tools/kist/install/copies"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

func FuzzRecord(f *testing.F) {
	good, err := json.Marshal(record{Format: 1, Entries: []copies.File{{Path: "h/a", Digest: verify.DigestOf(nil)}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"format":1,"entries":[{"path":"../x"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := parseRecord("1.json", data)
		if err != nil {
			var damaged *RecordError
			if !errors.As(err, &damaged) {
				t.Fatal(err)
			}
			return
		}
		for _, e := range r.Entries {
			if manifests.ValidPath(e.Path) != nil || e.Size < 0 || e.Digest.Algorithm() != "sha256" {
				t.Fatalf("%+v", e)
			}
		}
	})
}

func TestRecordIsRefused(t *testing.T) {
	digest := verify.DigestOf(nil)
	good := record{Format: 1, Entries: []copies.File{{Path: "h/a", Digest: digest, Size: 1}}, Releases: []copies.Release{}, Origins: []string{}}
	encode := func(r record) string {
		data, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	if got, err := parseRecord("1.json", []byte(encode(good))); err != nil || !got.same(good) {
		t.Fatalf("%+v, %v", got, err)
	}
	with := func(e copies.File) string {
		r := good
		r.Entries = append(r.Entries[:1:1], e)
		return encode(r)
	}
	for name, text := range map[string]string{
		"nothing":          "",
		"another format":   encode(record{Format: 2}),
		"an unknown key":   strings.Replace(encode(good), `"format"`, `"x":1,"format"`, 1),
		"a second value":   encode(good) + "{}",
		"a path above":     with(copies.File{Path: "../a", Digest: digest}),
		"an absolute path": with(copies.File{Path: "/a", Digest: digest}),
		"a path twice":     with(copies.File{Path: "h/a", Digest: digest}),
		"no digest":        with(copies.File{Path: "h/b"}),
		"a negative size":  with(copies.File{Path: "h/b", Digest: digest, Size: -1}),
		"too many heads":   encode(record{Format: 1, Heads: make([]verify.Mark, copies.MaxHeads+1)}),
	} {
		if _, err := parseRecord("1.json", []byte(text)); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestFileBelowFileIsRefused(t *testing.T) {
	if err := noFileIsDirectory(map[string]copies.File{"h/a": {}, "h/b/c": {}}); err != nil {
		t.Error(err)
	}
	if err := noFileIsDirectory(map[string]copies.File{"h/a": {}, "h/a/c": {}}); !errors.Is(err, copies.ErrName) {
		t.Errorf("%v, want ErrName", err)
	}
}
