package copies

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/kist-tools/kist/install/internal/download"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/verify"
)

// pages is a transport that serves texts by ref.
type pages map[string]string

func (p pages) Open(_ context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	text, ok := p[ref]
	if !ok {
		return nil, 0, fmt.Errorf("%s: %w", ref, manifests.ErrNotFound)
	}
	return io.NopCloser(strings.NewReader(text[offset:])), int64(len(text)) - offset, nil
}

// addedChannel returns the binding of a channel that the user added.
func addedChannel(url string) trust.Binding {
	return trust.Binding{Channel: manifests.Channel{Name: "acme"}, Settings: &channels.Channel{Name: "acme", URL: url}}
}

func TestArtifactIsFiledWhereItIsServed(t *testing.T) {
	const content, other, own = "content", "https://other.example/a", "https://acme.example/kist/a"
	blob := download.Blob{Digest: verify.DigestOf([]byte(content)), Size: int64(len(content))}
	added, builtIn := addedChannel("https://acme.example/kist"), trust.Binding{Channel: manifests.Channel{Name: "go"}}
	for name, test := range map[string]struct {
		from   trust.Binding
		refs   []string
		opened []openedRef
		serves pages
		want   string
		err    error
	}{
		"its own URL, from the store":              {from: added, refs: []string{own}, want: own},
		"a built-in channel":                       {from: builtIn, refs: []string{other}, want: other},
		"another host that served it":              {from: added, refs: []string{other, own}, opened: []openedRef{{other, 0}}, want: other},
		"another host that serves it":              {from: added, refs: []string{other, own}, serves: pages{other: content}, want: other},
		"another host that lacks it":               {from: added, refs: []string{other, own}, opened: []openedRef{{own, 0}}, want: own},
		"another host alone that lacks it":         {from: added, refs: []string{other}, err: manifests.ErrNotFound},
		"another host that serves something else":  {from: added, refs: []string{other}, serves: pages{other: "CONTENT"}, err: verify.ErrUntrusted},
		"another host that serves more":            {from: added, refs: []string{other}, serves: pages{other: content + "!"}, err: verify.ErrUntrusted},
		"another host that served the rest of it":  {from: added, refs: []string{other}, opened: []openedRef{{other, 6}}, serves: pages{other: "CONTENt"}, err: verify.ErrUntrusted},
		"another host that was asked twice":        {from: added, refs: []string{other}, opened: []openedRef{{other, 0}, {other, 6}}, serves: pages{other: "CONTENt"}, err: verify.ErrUntrusted},
		"another host whose answer was not enough": {from: added, refs: []string{other, own}, opened: []openedRef{{other, 0}, {own, 0}}, serves: pages{other: "page"}, want: own},
		"a URL without a name":                     {from: added, refs: []string{"https://other.example/.htaccess"}, opened: []openedRef{{"https://other.example/.htaccess", 0}}, err: ErrName},
	} {
		c := &collector{by: &Copier{Transport: test.serves}}
		a := wantedArtifact{manifests.Artifact{Name: "a", Refs: test.refs}, test.from}
		got, err := c.findRef(t.Context(), a, blob, &refLog{answers: test.opened})
		if got != test.want || !errors.Is(err, test.err) {
			t.Errorf("%s: %q, %v; want %q, %v", name, got, err, test.want, test.err)
		}
		if err != nil && !strings.Contains(err.Error(), "channel acme: ") {
			t.Errorf("%s: %v does not name the channel", name, err)
		}
	}
}

// A run that reads all of a file in chunks reads over those that an earlier run left, so
// they may not be those of the URL.
func TestChunksAreComparedAgain(t *testing.T) {
	const content, other = "content", "https://other.example/a"
	blob := download.Blob{Digest: verify.DigestOf([]byte(content)), Size: int64(len(content))}
	chunks, err := verify.ParseChunks(base64.StdEncoding.EncodeToString(make([]byte, 2*sha256.Size)), verify.ChunkSize+1)
	if err != nil {
		t.Fatal(err)
	}
	a := wantedArtifact{manifests.Artifact{Name: "a", Refs: []string{other}, Chunks: chunks}, addedChannel("https://acme.example/")}
	for text, want := range map[string]error{content: nil, "CONTENt": verify.ErrUntrusted} {
		c := &collector{by: &Copier{Transport: pages{other: text}}}
		if _, err := c.findRef(t.Context(), a, blob, &refLog{answers: []openedRef{{other, 0}}}); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
	}
}

// The URL of a native channel names its manifest, and the channel owns the directory.
func TestNativeChannelOwnsItsDirectory(t *testing.T) {
	from := addedChannel("https://host.example/acme/channel.toml")
	from.Settings.Format = "native"
	for url, want := range map[string]bool{
		"https://host.example/acme/blobs/a": true, "https://host.example/acme-2/a": false, "https://host.example/a": false, "https://other.example/acme/a": false,
	} {
		if got := (wantedArtifact{from: from}).ownsRef(url); got != want {
			t.Errorf("%s: %v, want %v", url, got, want)
		}
	}
}

func TestChannelOwnsWhatIsBelowItsURL(t *testing.T) {
	for url, want := range map[string]bool{
		"https://host.example/acme/a":        true,
		"https://HOST.example/acme/a/b":      true,
		"https://host.example/acme":          false,
		"https://host.example/acme-2/a":      false,
		"https://host.example/other/a":       false,
		"https://host.example/acme/../b":     false,
		"https://host.example/acme/%2e%2e/b": false,
		"http://host.example/acme/a":         false,
		"https://host.example:8443/acme/a":   false,
		"https://acme/acme/a":                false,
	} {
		for _, own := range []string{"https://host.example/acme", "https://host.example/acme/", "https://user:secret@host.example/acme/"} {
			if got := (wantedArtifact{from: addedChannel(own)}).ownsRef(url); got != want {
				t.Errorf("%s owns %s: %v, want %v", own, url, got, want)
			}
		}
	}
}
