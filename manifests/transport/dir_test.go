package transport

import (
	"context"
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
)

// fileURL is the ref of a path below dir.
func fileURL(t *testing.T, dir string, elem ...string) string {
	t.Helper()
	ref, err := manifests.Locate(filepath.Join(append([]string{dir}, elem...)...), "", "")
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func write(t *testing.T, name, data string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDir(t *testing.T) {
	dir := t.TempDir()
	const odd = "a b#c%d+e~é"
	write(t, filepath.Join(dir, odd), text)
	write(t, filepath.Join(dir, "empty"), "")
	if err := os.Symlink(odd, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	n := int64(len(text))
	for _, c := range []struct {
		name   string
		offset int64
		want   string
		size   int64
		err    error
	}{
		{odd, 0, text, n, nil},
		{odd, 10, text[10:], n, nil},
		{odd, n, "", n, nil},
		{odd, n + 1, "", 0, manifests.ErrNoRange},
		{"link", 0, text, n, nil},
		{"empty", 0, "", 0, nil},
		{"missing", 0, "", 0, manifests.ErrNotFound},
		{"missing/x", 0, "", 0, manifests.ErrNotFound},
		{"", 0, "", 0, manifests.ErrUnreachable},
	} {
		got, size, err := get(t, dirTransport{}, fileURL(t, dir, c.name), c.offset)
		if got != c.want || size != c.size || !errors.Is(err, c.err) {
			t.Errorf("%q from %d: %q, size %d, %v", c.name, c.offset, got, size, err)
		}
	}
	host := "file://localhost" + strings.TrimPrefix(fileURL(t, dir, odd), "file://")
	if got, _, err := get(t, dirTransport{}, host, 0); err != nil || got != text {
		t.Errorf("%s: %q, %v", host, got, err)
	}
	for _, ref := range []string{"", "x", "/etc/passwd", "file:x", "file:", "file://", "file://server/share", "file://user:secret@/x",
		fileURL(t, dir, odd) + "?x", "file:///a%00b", "file:///%zz", "https://example.org/x"} {
		if got, _, err := get(t, dirTransport{}, ref, 0); !errors.Is(err, manifests.ErrUnreachable) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %q, %v", ref, got, err)
		}
	}
}

func TestDirEnforcesSize(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x")
	for now, want := range map[string]error{text: nil, text[:5]: io.ErrUnexpectedEOF, text + "more": errTooLong} {
		write(t, name, text)
		body, _, err := dirTransport{}.Open(t.Context(), fileURL(t, name), 0)
		if err != nil {
			t.Fatal(err)
		}
		write(t, name, now) // while it is being read
		_, err = io.ReadAll(body)
		body.Close()
		if !errors.Is(err, want) || want != nil && !errors.Is(err, manifests.ErrUnreachable) {
			t.Errorf("%d bytes became %d: %v, want %v", len(text), len(now), err, want)
		}
	}
	write(t, name, text)
	ctx, cancel := context.WithCancel(t.Context())
	body, _, err := dirTransport{}.Open(ctx, fileURL(t, name), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	cancel()
	if _, err := io.ReadAll(body); !errors.Is(err, context.Canceled) || errors.Is(err, manifests.ErrUnreachable) {
		t.Errorf("after the context ended: %v", err)
	}
}

func TestMuxAndOffline(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "x"), text)
	local := fileURL(t, dir, "x")
	remote := serve(t, hijack(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	online := New(Config{Retries: -1})
	offline := Offline(online)
	for _, c := range []struct {
		from manifests.Transport
		ref  string
		want string
		err  error
	}{
		{online, local, text, nil},
		{online, strings.Replace(local, "file", "FILE", 1), text, nil},
		{online, remote, "ok", nil},
		{offline, local, text, nil},
		{offline, remote, "", manifests.ErrOffline},
		{offline, strings.Replace(remote, "//", "//user:secret@", 1), "", manifests.ErrOffline},
		{Offline(nil), local, "", manifests.ErrOffline},
		{offline, "oci://example.org/x", "", manifests.ErrOffline},
		{online, "oci://user:secret@example.org/x", "", manifests.ErrUnreachable},
		{online, dir, "", manifests.ErrUnreachable},
		{online, "", "", manifests.ErrUnreachable},
	} {
		got, _, err := get(t, c.from, c.ref, 0)
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%T %q: %q, %v", c.from, c.ref, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%v", err)
		}
	}
	_, _, err := get(t, online, "oci://example.org/x", 0)
	if want := "want a URL of scheme file, http, https"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("unknown scheme: %v, want %q", err, want)
	}
	if errors.Is(err, manifests.ErrOffline) {
		t.Errorf("unknown scheme is not the same as offline: %v", err)
	}
}

func FuzzFilePath(f *testing.F) {
	f.Add("file:///srv/a%20b")
	f.Add("file://localhost/x")
	f.Fuzz(func(t *testing.T, ref string) {
		name, err := filePath(ref)
		if err != nil {
			return
		}
		u, err := url.Parse(ref)
		if err != nil || u.Scheme != "file" || !filepath.IsAbs(name) || strings.Contains(name, "\x00") {
			t.Errorf("%q names %q", ref, name)
		}
	})
}
