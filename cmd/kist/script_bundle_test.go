//go:build unix

package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kist-tools/kist/manifests/bundle"
	"github.com/kist-tools/kist/verify"
)

// scriptRebundle writes a bundle with other content and right digests, as anybody could who
// carries the bundle.
func scriptRebundle(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 && len(args) != 4 {
		ts.Fatalf("usage: rebundle OLD NEW [URLEND flip|drop|FILE]")
	}
	f, err := os.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	b, err := bundle.Open(context.Background(), f)
	ts.Check(err)
	content := map[verify.Digest][]byte{}
	d := bundle.Draft{Contents: b.Contents}
	changed := len(args) == 2
	for _, file := range b.Files {
		r, err := b.OpenFile(file)
		ts.Check(err)
		data, err := io.ReadAll(r)
		ts.Check(err)
		ts.Check(r.Close())
		if len(args) == 4 && slices.ContainsFunc(file.URLs, func(u string) bool { return strings.HasSuffix(u, args[2]) }) {
			changed = true
			switch args[3] {
			case "drop":
				continue
			case "flip":
				data[len(data)/2] ^= 1
			default:
				data = []byte(ts.ReadFile(args[3]))
			}
		}
		file.Digest, file.Size = verify.DigestOf(data), int64(len(data))
		content[file.Digest] = data
		d.Files = append(d.Files, file)
	}
	if !changed {
		ts.Fatalf("no URL in %s ends in %s", args[0], args[2])
	}
	ts.Check(b.Close())
	d.Open = func(f bundle.File) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content[f.Digest])), nil
	}
	var w bytes.Buffer
	_, err = d.WriteTo(&w)
	ts.Check(err)
	scriptWrite(ts, args[1], w.Bytes())
}

// scriptRelock makes a lock name the manifest NEW where it names OLD.
func scriptRelock(ts *testscript.TestScript, neg bool, args []string) {
	scriptNeeds(ts, neg, args, 3, 3, "relock LOCK OLD NEW")
	digest := func(file string) string {
		text := ts.ReadFile(file)
		if _, signed, ok := strings.Cut(text, "\n\n"); ok && strings.HasPrefix(text, "-----BEGIN PGP SIGNED MESSAGE-----") {
			text, _, _ = strings.Cut(signed, "\n-----BEGIN PGP SIGNATURE-----")
		}
		return verify.DigestOf([]byte(text)).Hex()
	}
	old, next := digest(args[1]), digest(args[2])
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, old) {
		ts.Fatalf("%s does not name %s", args[0], args[1])
	}
	scriptWrite(ts, args[0], []byte(strings.ReplaceAll(text, old, next)))
}
