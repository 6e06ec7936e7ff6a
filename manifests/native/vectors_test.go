package native_test

import (
	"bytes"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/verify"
)

// vectors reads a file of test vectors: manifests by name. The first line of each
// states the verdict.
func vectors(tb testing.TB, file string) map[string]vector {
	tb.Helper()
	archive, err := txtar.ParseFile("testdata/" + file)
	if err != nil {
		tb.Fatal(err)
	}
	all := map[string]vector{}
	for _, f := range archive.Files {
		first, _, _ := bytes.Cut(f.Data, []byte("\n"))
		all[strings.TrimSuffix(f.Name, ".toml")] = vector{
			verdict: strings.TrimSpace(strings.TrimPrefix(string(first), "#")), text: f.Data,
		}
	}
	if len(all) != len(archive.Files) || len(all) < 10 {
		tb.Fatalf("%s: %d vectors under %d names", file, len(archive.Files), len(all))
	}
	return all
}

type vector struct {
	verdict string
	text    []byte
}

// parseFor is Parse for bytes that were not verified.
func parseFor(channel string, data []byte) (*native.Manifest, error) {
	m, err := native.ParseBytes(data, false)
	if err == nil && m.Channel != channel {
		return nil, native.CheckChannel("manifest", channel, m.Channel)
	}
	return m, err
}

// TestGoodVectors parses each good vector with LF and with CRLF line ends.
func TestGoodVectors(t *testing.T) {
	for name, v := range vectors(t, "good.txtar") {
		t.Run(name, func(t *testing.T) {
			if v.verdict != "accepted" {
				t.Fatalf("verdict %q in the file of good vectors", v.verdict)
			}
			if _, err := parseFor("acme", v.text); err != nil {
				t.Error(err)
			}
			if _, err := parseFor("acme", bytes.ReplaceAll(v.text, []byte("\n"), []byte("\r\n"))); err != nil {
				t.Errorf("with CRLF line ends: %v", err)
			}
		})
	}
}

func TestBadVectors(t *testing.T) {
	for name, v := range vectors(t, "bad.txtar") {
		t.Run(name, func(t *testing.T) {
			why, ok := strings.CutPrefix(v.verdict, "refused: ")
			if !ok || why == "" {
				t.Fatalf("verdict %q in the file of bad vectors", v.verdict)
			}
			_, err := parseFor("acme", v.text)
			if !errors.Is(err, verify.ErrUntrusted) {
				t.Fatalf("got %v, want a refusal that matches verify.ErrUntrusted", err)
			}
			if !strings.Contains(err.Error(), why) {
				t.Errorf("refused for another reason:\n got %s\nwant %s", err, why)
			}
		})
	}
}

// TestDocumentedExample parses the manifest in docs/manifest-format.md.
func TestDocumentedExample(t *testing.T) {
	doc, err := os.ReadFile("../../docs/manifest-format.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(doc), "```toml\n")
	example, _, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatal("no example")
	}
	m, err := parseFor("acme", []byte(example))
	if err != nil {
		t.Fatal(err)
	}
	text, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := parseFor("acme", text)
	if err != nil || !reflect.DeepEqual(m, back) {
		t.Errorf("read again: %+v, %v", back, err)
	}
}
