//go:build unix

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kist-tools/kist/verify"
)

// A layoutBlob is a descriptor of OCI image-spec 1.1.
type layoutBlob struct {
	MediaType string
	Digest    verify.Digest
	Size      int64
}

// scriptImage checks that a directory is a valid OCI image layout with one image, and lists
// it in LAYOUT.txt: its configuration, and each entry of each layer. With DIR, it unpacks the
// layers below DIR, as a program that runs containers does.
func scriptImage(ts *testscript.TestScript, neg bool, args []string) {
	scriptNeeds(ts, neg, args, 1, 2, "image LAYOUT [DIR]")
	dir := ts.MkAbs(args[0])
	named := map[string]bool{}
	blob := func(b layoutBlob) []byte {
		name := "blobs/sha256/" + b.Digest.Hex()
		named[filepath.Base(name)] = true
		data, err := os.ReadFile(filepath.Join(dir, name))
		ts.Check(err)
		if verify.DigestOf(data) != b.Digest || int64(len(data)) != b.Size {
			ts.Fatalf("%s is not what its descriptor says", name)
		}
		return data
	}
	parse := func(data []byte, v any) {
		ts.Check(json.Unmarshal(data, v))
	}
	if text := ts.ReadFile(filepath.Join(dir, "oci-layout")); text != `{"imageLayoutVersion":"1.0.0"}` {
		ts.Fatalf("oci-layout: %s", text)
	}
	var index struct {
		SchemaVersion int
		Manifests     []layoutBlob
	}
	parse([]byte(ts.ReadFile(filepath.Join(dir, "index.json"))), &index)
	if index.SchemaVersion != 2 || len(index.Manifests) != 1 {
		ts.Fatalf("index.json: %+v", index)
	}
	var manifest struct {
		SchemaVersion int
		MediaType     string
		Config        layoutBlob
		Layers        []layoutBlob
	}
	parse(blob(index.Manifests[0]), &manifest)
	var config struct {
		Architecture, OS string
		RootFS           struct {
			Type    string
			DiffIDs []verify.Digest `json:"diff_ids"`
		}
		History []struct {
			Empty bool `json:"empty_layer"`
		}
	}
	text := blob(manifest.Config)
	parse(text, &config)
	if manifest.SchemaVersion != 2 || manifest.Config.MediaType != "application/vnd.oci.image.config.v1+json" ||
		config.RootFS.Type != "layers" || len(config.RootFS.DiffIDs) != len(manifest.Layers) || config.OS != "linux" {
		ts.Fatalf("%+v %s", manifest, text)
	}
	var list bytes.Buffer
	fmt.Fprintf(&list, "config %s\n", text)
	for n, l := range manifest.Layers {
		z, err := gzip.NewReader(bytes.NewReader(blob(l)))
		ts.Check(err)
		content, err := io.ReadAll(z)
		ts.Check(err)
		if verify.DigestOf(content) != config.RootFS.DiffIDs[n] {
			ts.Fatalf("layer %d has another content than the configuration says", n)
		}
		fmt.Fprintf(&list, "layer %d %s\n", n, l.Digest.Hex())
		ts.Check(listLayer(&list, content, args[1:], ts.MkAbs))
	}
	names, err := os.ReadDir(filepath.Join(dir, "blobs/sha256"))
	ts.Check(err)
	if len(names) != len(named) {
		ts.Fatalf("%d blobs, and the image names %d", len(names), len(named))
	}
	scriptWrite(ts, args[0]+".txt", list.Bytes())
}

// listLayer lists a layer, and unpacks it below the directory in to, if there is one.
func listLayer(list io.Writer, content []byte, to []string, abs func(string) string) error {
	for r := tar.NewReader(bytes.NewReader(content)); ; {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(list, "%c %04o %d:%d %s %d %s %s\n", h.Typeflag, h.Mode, h.Uid, h.Gid, h.ModTime.UTC().Format("2006-01-02"), h.Size, h.Name, h.Linkname)
		if len(to) == 0 {
			continue
		}
		name := filepath.Join(abs(to[0]), h.Name)
		switch {
		case path.Base(h.Name) == ".wh..wh..opq":
			if err := os.RemoveAll(filepath.Dir(name)); err != nil {
				return err
			}
			err = os.Mkdir(filepath.Dir(name), 0o755)
		case strings.HasPrefix(path.Base(h.Name), ".wh."):
			err = os.RemoveAll(filepath.Join(filepath.Dir(name), strings.TrimPrefix(path.Base(name), ".wh.")))
		case h.Typeflag == tar.TypeDir:
			err = os.MkdirAll(name, 0o755)
		case h.Typeflag == tar.TypeSymlink:
			os.Remove(name)
			err = os.Symlink(h.Linkname, name)
		default:
			var data []byte
			if data, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(name, data, os.FileMode(h.Mode))
			}
		}
		if err != nil {
			return err
		}
	}
}
