package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest/short"
)

// shelf is a transport of documents in memory.
type shelf map[string][]byte

func (s shelf) Open(_ context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	data, ok := s[ref]
	if !ok {
		return nil, 0, fmt.Errorf("%s: %w", ref, manifests.ErrNotFound)
	}
	size := int64(len(data))
	if strings.HasSuffix(ref, "unannounced") {
		size = -1
	}
	return io.NopCloser(bytes.NewReader(data[offset:])), size, nil
}

func openRoot(t *testing.T) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	if err := root.Mkdir("manifests", 0o700); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestRecordAndReplay(t *testing.T) {
	root := openRoot(t)
	far := shelf{
		"https://user:secret@example.org/channel.toml": []byte(text),
		"https://example.org/empty":                    {},
		"https://example.org/huge":                     make([]byte, manifests.MaxManifest+1),
		"https://example.org/largest":                  make([]byte, manifests.MaxManifest),
		"https://example.org/unannounced":              make([]byte, manifests.MaxManifest+1),
		"https://example.org/half":                     []byte(text),
		"https://example.org/tail":                     []byte(text),
	}
	recorder := &Recorder{From: far}
	for ref, data := range far {
		switch {
		case strings.HasSuffix(ref, "half"):
			body, _, err := recorder.Open(t.Context(), ref, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(body, make([]byte, 5)); err != nil {
				t.Fatal(err)
			}
			body.Close()
		case strings.HasSuffix(ref, "tail"):
			if got, _, err := get(t, recorder, ref, 4); err != nil || got != text[4:] {
				t.Fatalf("%s: %q, %v", ref, got, err)
			}
		default:
			if got, _, err := get(t, recorder, ref, 0); err != nil || got != string(data) {
				t.Fatalf("%s: %d bytes, %v", ref, len(got), err)
			}
		}
	}
	if _, _, err := get(t, recorder, "https://example.org/keys.toml", 0); !errors.Is(err, manifests.ErrNotFound) {
		t.Fatal(err)
	}
	if err := recorder.Save(root, "manifests/acme"); err != nil {
		t.Fatal(err)
	}
	replay := Replay{root, "manifests/acme"}
	for _, c := range []struct {
		ref  string
		want string
		err  error
	}{
		{"https://example.org/channel.toml", text, nil},
		{"https://other:password@example.org/channel.toml", text, nil},
		{"https://example.org/empty", "", nil},
		{"https://example.org/largest", string(far["https://example.org/largest"]), nil},
		{"https://example.org/keys.toml", "", manifests.ErrNotFound},
		{"https://example.org/huge", "", manifests.ErrOffline},
		{"https://example.org/unannounced", "", manifests.ErrOffline},
		{"https://example.org/half", "", manifests.ErrOffline},
		{"https://example.org/tail", "", manifests.ErrOffline},
		{"https://user:secret@example.org/other", "", manifests.ErrOffline},
	} {
		got, size, err := get(t, replay, c.ref, 0)
		if !errors.Is(err, c.err) || got != c.want || err == nil && size != int64(len(c.want)) {
			t.Errorf("%s: %d bytes, %v", c.ref, len(got), err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%v", err)
		}
	}
	// Documents that were only opened are recorded as existing, without content.
	for ref, there := range map[string]bool{"huge": true, "half": true, "tail": true, "other": false} {
		body, size, err := replay.Open(t.Context(), "https://example.org/"+ref, 0)
		if (err == nil) != there || there && size != -1 || !there && !errors.Is(err, manifests.ErrOffline) {
			t.Errorf("%s: size %d, %v", ref, size, err)
		}
		if err == nil {
			body.Close()
		}
	}
	if got, size, err := get(t, replay, "https://example.org/channel.toml", 4); err != nil || got != text[4:] || size != int64(len(text)) {
		t.Errorf("from 4: %q, %d, %v", got, size, err)
	}
	if _, _, err := get(t, replay, "https://example.org/channel.toml", 4000); !errors.Is(err, manifests.ErrNoRange) {
		t.Errorf("past the end: %v", err)
	}
	if names := list(t, root, "manifests"); names != "acme" {
		t.Errorf("left next to the set: %s", names)
	}
}

func list(t *testing.T, root *os.Root, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(root.Name(), dir))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

// record saves one document.
func record(t *testing.T, root *os.Root, dir, ref, data string) error {
	t.Helper()
	recorder := &Recorder{From: shelf{ref: []byte(data)}}
	if _, _, err := get(t, recorder, ref, 0); err != nil {
		return err
	}
	return recorder.Save(root, dir)
}

func TestASetIsReplacedAsAWhole(t *testing.T) {
	root := openRoot(t)
	for _, ref := range []string{"https://example.org/1", "https://example.org/2"} {
		if err := record(t, root, "manifests/acme", ref, text); err != nil {
			t.Fatal(err)
		}
	}
	replay := Replay{root, "manifests/acme"}
	if _, _, err := get(t, replay, "https://example.org/1", 0); !errors.Is(err, manifests.ErrOffline) {
		t.Errorf("of the set before: %v", err)
	}
	if got, _, err := get(t, replay, "https://example.org/2", 0); err != nil || got != text {
		t.Errorf("of the set now: %q, %v", got, err)
	}
	// Foreign files in the old set are not deleted.
	write(t, filepath.Join(root.Name(), "manifests/acme/foreign"), "keep")
	if err := record(t, root, "manifests/acme", "https://example.org/3", text); err != nil {
		t.Fatal(err)
	}
	if names := list(t, root, "manifests"); names != "acme" {
		t.Errorf("left: %s", names)
	}
	if data, err := root.ReadFile("manifests/acme/foreign"); err != nil || string(data) != "keep" {
		t.Errorf("the foreign file holds %q, %v", data, err)
	}
	if _, _, err := get(t, replay, "https://example.org/2", 0); !errors.Is(err, manifests.ErrOffline) {
		t.Errorf("of the set before: %v", err)
	}
}

func TestOwnsWhatWasRecorded(t *testing.T) {
	root := openRoot(t)
	if err := record(t, root, "manifests/acme", "https://example.org/1", text); err != nil {
		t.Fatal(err)
	}
	entries, err := fs.ReadDir(root.FS(), "manifests/acme")
	if err != nil || len(entries) != 2 {
		t.Fatalf("the set holds %v, %v", entries, err)
	}
	owns := func(name string, want bool) {
		t.Helper()
		if own, err := Owns(root, name); err != nil || own != want {
			t.Errorf("%s: %v, %v", name, own, err)
		}
	}
	recorded := "manifests/acme/" + recordName("https://example.org/1")
	for _, e := range entries {
		owns("manifests/acme/"+e.Name(), true)
	}
	at := func(name string) string { return filepath.Join(root.Name(), name) }
	write(t, at(recorded), "another text")
	owns(recorded, false)
	write(t, at("manifests/acme/"+recordName("https://example.org/2")), text)
	owns("manifests/acme/"+recordName("https://example.org/2"), false)
	write(t, at("manifests/acme/mine"), "mine")
	owns("manifests/acme/mine", false)
	write(t, at("manifests/acme/index.json"), "mine")
	owns("manifests/acme/index.json", false)
	owns("manifests/acme", false)
	owns("manifests/acme/missing", false)
}

func TestSaveFails(t *testing.T) {
	root := openRoot(t)
	if err := record(t, root, "missing/acme", "https://example.org/1", text); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a parent: %v", err)
	}
	if err := record(t, root, "../acme", "https://example.org/1", text); err == nil {
		t.Error("outside the root: no error")
	}
	if names := list(t, root, "."); names != "manifests" {
		t.Errorf("left behind: %s", names)
	}
}

func TestConcurrentSaves(t *testing.T) {
	root := openRoot(t)
	var wait sync.WaitGroup
	for i := range 3 {
		wait.Go(func() {
			if err := record(t, root, "manifests/acme", fmt.Sprintf("https://example.org/%d", i), text); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if names := list(t, root, "manifests"); names != "acme" {
		t.Errorf("left: %s", names)
	}
	if names := strings.Fields(list(t, root, "manifests/acme")); len(names) != 2 {
		t.Errorf("the set is a mixture: %v", names)
	}
}

func TestRecorderCeilings(t *testing.T) {
	t.Parallel()
	type row struct {
		documents, size int
		ok              bool
	}
	for name, c := range short.Rows(t, map[string]row{
		"at the document limit":   {maxDocuments, 1, true},
		"over the document limit": {maxDocuments + 1, 1, false},
		"at the size limit":       {4, 16 << 20, true},
		"over the size limit":     {5, 16 << 20, false},
	}, 3) {
		root, far := openRoot(t), shelf{}
		recorder := &Recorder{From: far}
		data := make([]byte, c.size)
		for i := range c.documents {
			ref := fmt.Sprintf("https://example.org/%d", i)
			far[ref] = data
			for range 2 { // the second time replaces the first
				if _, _, err := get(t, recorder, ref, 0); err != nil {
					t.Fatal(err)
				}
			}
		}
		err := recorder.Save(root, "set")
		if large := new(manifests.TooLargeError); c.ok && err != nil || !c.ok && !errors.As(err, &large) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReplayTrustsNothing(t *testing.T) {
	root := openRoot(t)
	const ref = "https://example.org/1"
	if err := record(t, root, "manifests/acme", ref, text); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(root.Name(), "manifests/acme", recordName(ref))
	replay := Replay{root, "manifests/acme"}
	if err := os.Truncate(file, manifests.MaxManifest+1); err != nil {
		t.Fatal(err)
	}
	if _, _, err := get(t, replay, ref, 0); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("a copy over the ceiling: %v", err)
	}
	for name, make := range map[string]func() error{
		"a directory":           func() error { return os.Mkdir(file, 0o700) },
		"a link out of the set": func() error { return os.Symlink("/dev/zero", file) },
	} {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if err := make(); err != nil {
			t.Fatal(err)
		}
		if _, _, err := get(t, replay, ref, 0); !errors.Is(err, manifests.ErrUnreachable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
