package record_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

func sample() record.Receipt {
	return record.Receipt{Head: record.Head{Format: record.Format, ID: "acme-zig-0.14.0-0a1b2c3d", Channel: "acme", Tool: "zig", Version: "0.14.0",
		Platform: manifests.Platform{OS: "linux", Arch: "amd64"}, Components: []string{"zig"},
		Evidence:  verify.Evidence{Kind: verify.ByDetached, Name: "channel.toml", Digest: verify.DigestOf([]byte("m"))},
		Artifacts: []record.Artifact{{Name: "zig.tar", Size: 1, Digest: verify.DigestOf([]byte("a"))}},
		Commands:  []record.Command{{Name: "zig", Path: "bin/zig"}}, Env: map[string]string{"ZIG": "{prefix}"},
		Prefix: "/p", Installed: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), Kist: "1.0"},
		Entries: []record.Entry{{Path: "bin", Type: record.Dir, Mode: 0o755},
			{Path: "bin/zig", Type: record.File, Mode: 0o755, Size: 1, Digest: verify.DigestOf([]byte("z")), Component: "zig"},
			{Path: "zig", Type: record.Link, Target: "bin/zig"}}}
}

// encode returns r as WriteTo writes it.
func encode(t testing.TB, r record.Receipt) []byte {
	t.Helper()
	var b bytes.Buffer
	n, err := r.WriteTo(&b)
	if err != nil || n != int64(b.Len()) {
		t.Fatalf("%d bytes of %d, %v", b.Len(), n, err)
	}
	return b.Bytes()
}

// parse parses a receipt from a reader that returns short reads.
func parse(data []byte) (record.Receipt, error) {
	return record.ParseReceipt(iotest.HalfReader(bytes.NewReader(data)), int64(len(data)))
}

// A receipt longer than the buffers round-trips, and write errors are returned.
func TestLongReceiptRoundTrip(t *testing.T) {
	want := sample()
	for n := range 5000 {
		want.Entries = append(want.Entries, record.Entry{Path: fmt.Sprintf("%s-%d", strings.Repeat("x", n%97), n), Type: record.File, Size: int64(n), Digest: verify.DigestOf([]byte{byte(n)})})
	}
	data := encode(t, want)
	got, err := parse(data)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%d entries come back as %d, %v", len(want.Entries), len(got.Entries), err)
	}
	for _, room := range []int{0, 10, 64 << 10, len(data) - 1} {
		if n, err := want.WriteTo(&limitedWriter{room}); !errors.Is(err, io.ErrShortWrite) || n != int64(room) {
			t.Errorf("with room for %d bytes: %d, %v", room, n, err)
		}
	}
	if n, err := want.WriteTo(&limitedWriter{len(data)}); err != nil || n != int64(len(data)) {
		t.Errorf("with just enough room: %d, %v", n, err)
	}
}

// Entries with the longest names, written with escapes, and any amount of white space are
// accepted; longer entries are refused.
func TestEntryLengthLimit(t *testing.T) {
	escaped := func(path string) string {
		var b strings.Builder
		for _, c := range path {
			fmt.Fprintf(&b, "\\u%04x", c)
		}
		return b.String()
	}
	deep := strings.Repeat("directory/", 410)[:4095]
	for name, c := range map[string]struct {
		edit [2]string
		ok   bool
	}{
		"escapes":       {[2]string{`"path":"zig"`, `"path":"` + escaped(deep) + `"`}, true},
		"white space":   {[2]string{`"path":"zig"`, `"path":` + strings.Repeat(" \n", 3*record.BufferSize) + `"zig"`}, true},
		"a long string": {[2]string{`"path":"zig"`, `"path":"` + strings.Repeat("\\u0041", record.BufferSize) + `"`}, false},
		"a long number": {[2]string{`"mode":493`, `"mode":` + strings.Repeat("4", 3*record.BufferSize)}, false},
		"a long target": {[2]string{`"target":"bin/zig"`, `"target":"` + strings.Repeat("x", 3*record.BufferSize) + `"`}, false},
	} {
		edited := strings.Replace(string(encode(t, sample())), c.edit[0], c.edit[1], 1)
		if r, err := parse([]byte(edited)); len(edited) < 1000 || (err == nil) != c.ok || c.ok && len(r.Entries) != 3 {
			t.Errorf("%s: %d bytes, %d entries, %v", name, len(edited), len(r.Entries), err)
		}
	}
}

// ParseReceipt returns read errors as they are.
func TestParseReceiptReturnsReadErrors(t *testing.T) {
	data := encode(t, sample())
	for n := range data {
		_, err := record.ParseReceipt(io.MultiReader(bytes.NewReader(data[:n]), iotest.ErrReader(fs.ErrClosed)), 0)
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}

// A limitedWriter fails after room bytes.
type limitedWriter struct{ room int }

func (w *limitedWriter) Write(p []byte) (int, error) {
	n := min(len(p), w.room)
	if w.room -= n; n < len(p) {
		return n, io.ErrShortWrite
	}
	return n, nil
}

func TestReceiptRoundTrip(t *testing.T) {
	stamped := sample()
	stamped.StampsReadAt = time.Date(2026, 11, 22, 10, 0, 9, 123456789, time.UTC)
	stamped.Entries = append(stamped.Entries, record.Entry{Path: "ü \"\\<>&\u2028\x7f\n", Type: record.File, Digest: verify.DigestOf(nil),
		Stamp: record.Stamp{math.MaxUint64, math.MinInt64, math.MaxInt64}})
	for _, want := range []record.Receipt{sample(), stamped} {
		got, err := parse(encode(t, want))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	data := encode(t, sample())
	half := data[:bytes.Index(data, []byte(`"bin/zig",`))]
	head, err := record.ParseHead(bytes.NewReader(half))
	if err != nil || !reflect.DeepEqual(head, sample().Head) {
		t.Errorf("head of a receipt with truncated entries: %+v, %v", head, err)
	}
	for n := range bytes.Index(data, []byte(`"entries"`)) {
		if head, err := record.ParseHead(bytes.NewReader(data[:n])); err == nil {
			t.Errorf("head truncated after %d bytes was parsed as %+v", n, head)
		}
	}
}

// A string in the head that looks like the key "entries" does not end the head. Heads may
// be long and arrive in pieces.
func TestHeadEndsAtEntriesKey(t *testing.T) {
	r := sample()
	r.Kist = `"entries": [\", {` + strings.Repeat("long ", 10_000) + `"entries`
	for name, in := range map[string]io.Reader{
		"at once":        bytes.NewReader(encode(t, r)),
		"byte by byte":   iotest.OneByteReader(bytes.NewReader(encode(t, r))),
		"with its end":   iotest.DataErrReader(bytes.NewReader(encode(t, r))),
		"half at a time": iotest.HalfReader(bytes.NewReader(encode(t, r))),
	} {
		got, err := record.ParseReceipt(in, int64(len(encode(t, r))))
		if err != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("%s: got %.200v, %v", name, got, err)
		}
	}
	broken := errors.New("the disk is broken")
	if _, err := record.ParseHead(io.MultiReader(bytes.NewReader(encode(t, r)[:100]), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("got %v, want the read error", err)
	}
}

// encodeEarlier encodes r as versions of kist did before entries had stamps and a line
// each.
func encodeEarlier(t *testing.T, r record.Receipt) []byte {
	t.Helper()
	type entry struct {
		Path      string        `json:"path"`
		Type      record.Type   `json:"type"`
		Mode      fs.FileMode   `json:"mode,omitempty"`
		Size      int64         `json:"size,omitempty"`
		Digest    verify.Digest `json:"digest,omitzero"`
		Target    string        `json:"target,omitempty"`
		Component string        `json:"component,omitempty"`
	}
	old := struct {
		record.Head
		Entries []entry `json:"entries"`
	}{Head: r.Head}
	for _, e := range r.Entries {
		old.Entries = append(old.Entries, entry{e.Path, e.Type, e.Mode, e.Size, e.Digest, e.Target, e.Component})
	}
	data, err := json.MarshalIndent(old, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	return append(data, '\n')
}

func TestParseReceiptReadsEarlierLayout(t *testing.T) {
	r := sample()
	r.Entries = append(r.Entries, record.Entry{Path: "lib/<ü>&\\\"\u2028\t", Type: record.Link, Target: "a\\\u0001b"})
	got, err := parse(encodeEarlier(t, r))
	if err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("got %+v, %v", got, err)
	}
}

// Each edit makes a receipt that must be refused, so that no file is removed because of it.
func TestParseReceiptRefusesInvalid(t *testing.T) {
	for name, edit := range map[string][2]string{
		"absolute path":           {`"bin/zig",`, `"/etc/passwd",`},
		"escaping path":           {`"bin/zig",`, `"../../.bashrc",`},
		"hidden escape":           {`"bin/zig",`, `"bin/../../x",`},
		"the prefix itself":       {`"path": "bin",`, `"path": ".",`},
		"empty path":              {`"path": "bin",`, `"path": "",`},
		"NUL in a path":           {`"bin/zig",`, `"bin/\u0000",`},
		"a path twice":            {`"path": "zig",`, `"path": "bin",`},
		"unknown type":            {`"type": "dir",`, `"type": "socket",`},
		"file without digest":     {`"type": "dir",`, `"type": "file",`},
		"link without target":     {`"target": "bin/zig"`, `"target": ""`},
		"setuid":                  {`"mode": 493`, `"mode": 2541`},
		"unknown field":           {`"kist":`, `"run": "rm", "kist":`},
		"unknown format":          {`"format": 1`, `"format": 2`},
		"id with ..":              {`acme-zig-0.14.0-0a1b2c3d`, `../../acme-0a1b2c3d`},
		"channel with ..":         {`"channel": "acme"`, `"channel": "../acme"`},
		"command name a path":     {`"name": "zig",`, `"name": "../zig",`},
		"command path leaves":     {`"path": "bin/zig"`, `"path": "/bin/sh"`},
		"text after it":           {"}\n", "}\n{}"},
		"weak digest":             {`"digest": "sha256:` + verify.DigestOf([]byte("z")).Hex(), `"digest": "md5:00`},
		"version with a slash":    {`"version": "0.14.0"`, `"version": "0/14"`},
		"negative size":           {`"size": 1,`, `"size": -1,`},
		"target on a directory":   {`"type": "dir",`, `"type": "dir", "target": "x",`},
		"no entries":              {`"entries":`, `"evidence":`},
		"cut":                     {"]\n}\n", ""},
		"cut in an entry":         {`"type": "link"`, `"type": "li`},
		"trailing comma":          {`"target": "bin/zig"`, `"target": "bin/zig",`},
		"a field twice":           {`"type": "dir",`, `"type": "dir", "type": "dir",`},
		"a field in capitals":     {`"target": "bin/zig"`, `"TARGET": "bin/zig"`},
		"field of an entry":       {`"target": "bin/zig"`, `"target": "bin/zig", "run": "rm"`},
		"a size that is text":     {`"size": 1,`, `"size": "1",`},
		"a size in tenths":        {`"size": 1,`, `"size": 1.5,`},
		"a leading zero":          {`"mode": 493`, `"mode": 0493`},
		"a NUL before a number":   {`"mode": 493`, "\"mode\": \x00493"},
		"a NUL after it":          {"}\n", "}\n\x00"},
		"a huge size":             {`"size": 1,`, `"size": 9223372036854775808,`},
		"a control character":     {`"path": "zig",`, "\"path\": \"z\x01g\","},
		"not UTF-8":               {`"path": "zig",`, "\"path\": \"z\xffg\","},
		"stamp of a directory":    {`"type": "dir",`, `"type": "dir", "stamp": [1, 2, 3],`},
		"stamp of two numbers":    {`"type": "file",`, `"type": "file", "stamp": [1, 2],`},
		"stamp of four":           {`"type": "file",`, `"type": "file", "stamp": [1, 2, 3, 4],`},
		"sealed at no time":       {`"kist":`, `"sealed": "today", "kist":`},
		"head field twice":        {`"kist":`, `"kist": "", "kist":`},
		"escaped entries key":     {`"entries":`, `"entri\u0065s":`},
		"no comma before entries": {",\n\t\"entries", "\n\t\"entries"},
		"a list":                  {"{\n\t\"format", "[\n\t\"format"},
	} {
		line := encode(t, sample())
		_, entries, _ := bytes.Cut(line, []byte(`"entries"`))
		line = append(line[:len(line)-len(entries)], bytes.ReplaceAll(entries, []byte(`":`), []byte(`": `))...)
		for layout, data := range map[string]string{"current layout": string(line), "earlier layout": string(encodeEarlier(t, sample()))} {
			edited := strings.ReplaceAll(data, edit[0], edit[1])
			if edited == data {
				t.Errorf("%s, %s: the edit has no effect", name, layout)
			}
			if _, err := parse([]byte(edited)); err == nil {
				t.Errorf("%s, %s: accepted", name, layout)
			}
		}
	}
}

// A stamp proves a file unchanged only if it is the same and the file had not changed for
// some time when the receipt was sealed.
func TestUntouchedNeedsSettledEqualStamp(t *testing.T) {
	sealed := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	at := func(d time.Duration) int64 { return sealed.Add(d).UnixNano() }
	file := record.Entry{Path: "a", Type: record.File, Size: 7, Digest: verify.DigestOf(nil), Stamp: record.Stamp{11, at(-time.Hour), at(-2 * time.Second)}}
	r := record.Receipt{Head: record.Head{StampsReadAt: sealed}}
	for took, want := range map[time.Duration]time.Duration{0: 0, time.Second: time.Second, time.Hour: time.Second, -time.Hour: -time.Hour} {
		if got := record.SealedAt(sealed, sealed.Add(took)).Sub(sealed); got != want {
			t.Errorf("stamps that were read within %v are sealed after %v, want %v", took, got, want)
		}
	}
	if !r.StampMatches(file, 7, file.Stamp) {
		t.Error("an unchanged file is reported as changed")
	}
	for name, change := range map[string]func(r *record.Receipt, e *record.Entry, size *int64, now *record.Stamp){
		"another size":                 func(r *record.Receipt, e *record.Entry, size *int64, now *record.Stamp) { *size++ },
		"another inode":                func(r *record.Receipt, e *record.Entry, size *int64, now *record.Stamp) { now.Inode++ },
		"written since":                func(r *record.Receipt, e *record.Entry, size *int64, now *record.Stamp) { now.Modified++ },
		"written, with its time reset": func(r *record.Receipt, e *record.Entry, size *int64, now *record.Stamp) { now.Changed++ },
		"the clock set back":           func(r *record.Receipt, e *record.Entry, size *int64, now *record.Stamp) { now.Changed-- },
		"no stamp": func(r *record.Receipt, e *record.Entry, size *int64, now *record.Stamp) {
			e.Stamp, *now = record.Stamp{}, record.Stamp{}
		},
		"not sealed": func(r *record.Receipt, e *record.Entry, size *int64, now *record.Stamp) { r.StampsReadAt = time.Time{} },
		"just written when sealed": func(r *record.Receipt, e *record.Entry, size *int64, now *record.Stamp) {
			e.Stamp.Changed++
			now.Changed++
		},
		"from the future when sealed": func(r *record.Receipt, e *record.Entry, size *int64, now *record.Stamp) {
			e.Stamp.Changed = at(time.Hour)
			*now = e.Stamp
		},
		"a directory": func(r *record.Receipt, e *record.Entry, size *int64, now *record.Stamp) { e.Type = record.Dir },
	} {
		r, e, size, now := r, file, file.Size, file.Stamp
		change(&r, &e, &size, &now)
		if r.StampMatches(e, size, now) {
			t.Errorf("%s: reported as unchanged", name)
		}
	}
}

func TestGenerationRoundTrip(t *testing.T) {
	g := record.Generation{Format: record.Format, Number: 3, Parent: 2, Made: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Receipts: []record.ID{"acme-zig-0.14.0-0a1b2c3d"}, Defaults: map[string]record.ID{"acme/zig": "acme-zig-0.14.0-0a1b2c3d"},
		Links: []record.CommandLink{{Name: "zig", ID: "acme-zig-0.14.0-0a1b2c3d", Target: "bin/zig"},
			{Name: "zls", ID: "acme-zls-1-0a1b2c3d", Target: "bin/zls", Prefix: filepath.Join(t.TempDir(), "acme-zls-1-0a1b2c3d")}}}
	data, err := g.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := record.ParseGeneration(data)
	if err != nil || !reflect.DeepEqual(got, g) {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, edit := range [][2]string{{`"bin/zig"`, `"../../../bin/sh"`}, {`"name": "zig"`, `"name": "a/b"`},
		{`"acme-zig-0.14.0-0a1b2c3d"`, `"../x"`}, {`"format": 1`, `"format": 9`},
		{`"prefix": "`, `"prefix": "below`}, {`/acme-zls-1-0a1b2c3d"`, `/acme-zls-2-0a1b2c3d"`}, {`/acme-zls-1-0a1b2c3d"`, `/../acme-zls-1-0a1b2c3d"`}} {
		if _, err := record.ParseGeneration([]byte(strings.ReplaceAll(string(data), edit[0], edit[1]))); err == nil {
			t.Errorf("%s: accepted", edit[1])
		}
	}
}

func TestIDsAreOnePathElement(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		version := rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9._+~:-]{0,30}`).
			Filter(func(s string) bool { return manifests.ValidVersion(s) == nil }).Draw(t, "version")
		id := record.NewID("acme", "zig", version, [4]byte{1, 2, 3, 4})
		if !id.Valid() || strings.ContainsAny(string(id), "/:~ABCDEFGHIJKLMNOPQRSTUVWXYZ") || !strings.HasSuffix(string(id), "-01020304") {
			t.Fatalf("%q is not a valid id", id)
		}
	})
}

func FuzzReceipt(f *testing.F) {
	f.Add(encode(f, sample()))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := parse(data)
		if err != nil {
			return
		}
		var plain struct {
			Entries []struct{ Path, Target string }
		}
		if err := json.Unmarshal(data, &plain); err != nil || len(plain.Entries) != len(r.Entries) {
			t.Fatalf("%d entries; encoding/json reads %d, %v", len(r.Entries), len(plain.Entries), err)
		}
		for i, e := range r.Entries {
			if e.Path != plain.Entries[i].Path || e.Target != plain.Entries[i].Target {
				t.Errorf("got %+v; encoding/json reads %+v", e, plain.Entries[i])
			}
			if !manifests.Local(e.Path) || strings.Contains("/"+e.Path+"/", "/../") {
				t.Errorf("%q was accepted", e.Path)
			}
		}
		if _, err := parse(encode(t, r)); err != nil {
			t.Errorf("accepted receipt does not round-trip: %v", err)
		}
	})
}

func FuzzGeneration(f *testing.F) {
	f.Add([]byte(`{"format":1,"number":1,"made":"2026-01-02T03:04:05Z","receipts":["acme-zig-0.14.0-0a1b2c3d"]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		g, err := record.ParseGeneration(data)
		if err != nil {
			return
		}
		for _, l := range g.Links {
			if strings.Contains(l.Name, "/") || !manifests.Local(l.Target) {
				t.Errorf("link %+v was accepted", l)
			}
		}
	})
}
