package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/verify"
)

// A publisher is warned when a manifest nears its ceiling.
func TestSignWarnsOfALargeManifest(t *testing.T) {
	for size, want := range map[int64]bool{8<<20 - 1: false, 8 << 20: true, 16 << 20: true} {
		var stderr bytes.Buffer
		env := Env{Stderr: &stderr}
		a := &app{Env: env, Printer: env.printer(), path: "publish sign"}
		a.Color = "never"
		a.warnOfSigned(publish.Signed{Text: make([]byte, size), Published: true})
		if got := strings.Contains(stderr.String(), "kist publish remove"); got != want {
			t.Errorf("%d bytes: %q", size, stderr.String())
		}
	}
}

// The hints for publishers say what they can do, and never to ask the publisher.
func TestHintsForPublishers(t *testing.T) {
	for _, path := range []string{"publish verify", "publish sign", "publish keys", "publish add"} {
		for _, err := range []error{
			&verify.SignatureError{Name: "x", Need: 1}, &verify.DigestError{Name: "x"}, &verify.ExpiredError{}, &verify.DowngradeError{},
			publish.ErrNoKeys, verify.ErrUntrusted, verify.ErrStale,
		} {
			a := &app{path: path}
			f := a.explain(err)
			if f.Hint == "" || strings.Contains(f.Hint, "publisher,") || strings.Contains(f.Hint, "its publisher") || strings.Contains(f.Hint, "from another network") {
				t.Errorf("%s: %T: %q", path, err, f.Hint)
			}
		}
		if f := (&app{path: "install"}).explain(&verify.DigestError{Name: "x"}); !strings.Contains(f.Hint, "from another network") {
			t.Errorf("a user: %q", f.Hint)
		}
	}
}
