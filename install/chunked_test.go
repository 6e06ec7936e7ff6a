package install_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// chunked is a release of one tar over several chunks, which states them.
func (w *world) chunked(tool string) (manifests.Release, []byte) {
	r := w.release(tool, "1.0", "bin/"+tool)
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for name, size := range map[string]int{"bin/" + tool: 10, "lib/large": 9 << 20} {
		if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Typeflag: tar.TypeReg, Size: int64(size)}); err != nil {
			w.t.Fatal(err)
		}
		tw.Write(bytes.Repeat([]byte("x"), size))
	}
	if err := tw.Close(); err != nil {
		w.t.Fatal(err)
	}
	chunker := verify.NewChunker()
	chunker.Write(b.Bytes())
	a := &r.Artifacts[0]
	a.Size, a.Integrity.Digest, a.Chunks = int64(b.Len()), verify.DigestOf(b.Bytes()), chunker.Chunks()
	w.files[a.Refs[0]] = b.Bytes()
	return r, b.Bytes()
}

// An archive with chunks is unpacked while it arrives, and is accepted only if all of
// it is proved.
func TestChunkedArchiveIsVerifiedWhileUnpacking(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(w *world, a *manifests.Artifact, data []byte)
		want  error
	}{
		"honest":           {func(*world, *manifests.Artifact, []byte) {}, nil},
		"a wrong chunk":    {func(_ *world, _ *manifests.Artifact, data []byte) { data[verify.ChunkSize+5] ^= 1 }, verify.ErrUntrusted},
		"the last wrong":   {func(_ *world, _ *manifests.Artifact, data []byte) { data[len(data)-1] ^= 1 }, verify.ErrUntrusted},
		"another whole":    {func(_ *world, a *manifests.Artifact, _ []byte) { a.Integrity.Digest = verify.DigestOf(nil) }, verify.ErrUntrusted},
		"gone":             {func(w *world, a *manifests.Artifact, _ []byte) { delete(w.files, a.Refs[0]) }, manifests.ErrNotFound},
		"an alternative":   {alternative, nil},
		"chunks of nobody": {func(_ *world, a *manifests.Artifact, _ []byte) { a.Size++ }, verify.ErrUntrusted},
	} {
		w := newWorld(t)
		r, data := w.chunked("zig")
		test.spoil(w, &r.Artifacts[0], data)
		res, err := w.change(plan.Change{Install: []manifests.Release{r}})
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
			continue
		}
		if test.want != nil {
			prefixes, _ := os.ReadDir(w.path(".local/share/kist/prefixes"))
			if s, err := w.kist().State(); err != nil || len(s.Receipts)+len(prefixes) > 0 {
				t.Errorf("%s: it is installed: %v, %v, %v", name, s.Receipts, prefixes, err)
			}
			continue
		}
		if a := res.Installed[0].Artifacts[0]; a.Evidence.Kind != verify.ByDigest || a.Digest.IsZero() {
			t.Errorf("%s: the receipt says %+v", name, a)
		}
		if _, drift, err := w.kist().Verify(t.Context(), res.Installed[0].ID); err != nil || len(drift) > 0 {
			t.Errorf("%s: %v, %v", name, drift, err)
		}
		if got := w.command("zig"); !strings.HasPrefix(got, "xxx") && name == "honest" {
			t.Errorf("%s: the command holds %.20q", name, got)
		}
	}
}

// alternative removes the archive, and adds a small one as its alternative.
func alternative(w *world, a *manifests.Artifact, _ []byte) {
	delete(w.files, a.Refs[0])
	a.Alternatives = w.release("zig", "1.0-b", "bin/zig").Artifacts
	a.Alternatives[0].Component = a.Component
}
