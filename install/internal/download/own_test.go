package download

import (
	"os"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

func TestOwnsByContentAlone(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, dir := range []string{blobDir, knownDir, partialDir} {
		if _, err := rootfs.MkdirAll(root, dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	hexOf := func(text string) string { return verify.DigestOf([]byte(text)).Hex() }
	other := strings.Repeat("ab", 32)
	files := map[string]struct {
		path, text string
		own        bool
	}{
		"a blob":                      {blobDir + "/" + hexOf("blob"), "blob", true},
		"a blob of another digest":    {blobDir + "/" + other, "blob", false},
		"a file among the blobs":      {blobDir + "/mine", "mine", false},
		"a digest in capitals":        {blobDir + "/" + strings.ToUpper(hexOf("upper")), "upper", false},
		"a note":                      {knownDir + "/" + other, other + "\n", true},
		"a note with more in it":      {knownDir + "/" + hexOf("x"), other + "\nmine", false},
		"another file with that name": {knownDir + "/" + hexOf("y"), "mine", false},
		"a file among the notes":      {knownDir + "/mine", other + "\n", false},
		"a record":                    {partialDir + "/" + hexOf("digest\nz") + recordSuffix, "digest\nz", true},
		"what arrived, recorded":      {partialDir + "/" + hexOf("digest\nz"), "some bytes", true},
		"what nothing records":        {partialDir + "/" + other, "some bytes", false},
		"a record of something else":  {partialDir + "/" + hexOf("w") + recordSuffix, "mine", false},
		"so recorded":                 {partialDir + "/" + hexOf("w"), "mine", false},
		"a lock":                      {partialDir + "/" + other + rootfs.LockSuffix, "123 kist install", true},
		"no lock":                     {partialDir + "/" + hexOf("l") + rootfs.LockSuffix, "the user's own\n", false},
		"a file at the top":           {"mine", "mine", false},
		"a temporary file by pattern": {knownDir + "/.kist-AAAAAAAAAAAAAAAAAAAAAAAAAA.tmp", "mine", false},
	}
	for _, file := range files {
		if err := root.WriteFile(file.path, []byte(file.text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, file := range files {
		if own, err := Owns(t.Context(), root, file.path); err != nil || own != file.own {
			t.Errorf("%s (%s): %v, %v", name, file.path, own, err)
		}
	}
	linked := blobDir + "/" + hexOf("linked")
	if err := root.WriteFile("linked", []byte("linked"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := root.Symlink("../../linked", linked); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{linked, blobDir, "missing"} {
		if own, err := Owns(t.Context(), root, name); err != nil || own {
			t.Errorf("%s: %v, %v", name, own, err)
		}
	}
}
