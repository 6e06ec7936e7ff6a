package manifests_test

import (
	"net/url"
	"path"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/kist-tools/kist/manifests"
)

func TestRedact(t *testing.T) {
	for _, c := range []struct{ ref, want string }{
		{"https://example.org/a@v1/b", "https://example.org/a@v1/b"},
		{"https://user:secret@example.org/a@v1/b", "https://example.org/a@v1/b"},
		{"https://user@example.org", "https://example.org"},
		{"https://us@er:sec@ret@example.org/x?y=a@b", "https://example.org/x?y=a@b"},
		{"https://user:secret@example.org:8443/x#a@b", "https://example.org:8443/x#a@b"},
		{"//user:secret@example.org/x", "//example.org/x"},
		{"https:user:secret@example.org", "example.org"},
		{"user:secret@example.org/x", "example.org/x"},
		{"https://user:se/cret@example.org/x", "https://example.org/x"},
		{"https://user:secret@example.org/\x1b[2J", "https://example.org/%1B[2J"},
		{"https://example.org/\u0085x", "https://example.org/%C2%85x"},
		{"/home/me@work/channel", "/home/me@work/channel"},
		{"file:///home/me@work/channel", "file:///home/me@work/channel"},
		{"", ""},
	} {
		if got := manifests.Redact(c.ref); got != c.want {
			t.Errorf("Redact(%q) = %q, want %q", c.ref, got, c.want)
		}
	}
}

func TestLocate(t *testing.T) {
	const cwd = "/work dir/here"
	for _, c := range []struct{ where, name, want string }{
		{"https://example.org", "channel.toml", "https://example.org/channel.toml"},
		{"https://example.org/acme", "channel.toml", "https://example.org/acme/channel.toml"},
		{"https://example.org/acme/", "channel.toml", "https://example.org/acme/channel.toml"},
		{"https://example.org/acme/channel.toml", "channel.toml", "https://example.org/acme/channel.toml"},
		{"https://example.org/channel.toml/", "channel.toml", "https://example.org/channel.toml/channel.toml"},
		{"https://u:p@example.org/a%2Fb/", "channel.toml", "https://u:p@example.org/a%2Fb/channel.toml"},
		{"http://127.0.0.1:8080", "channel.toml", "http://127.0.0.1:8080/channel.toml"},
		{"https://example.org/go/", "", "https://example.org/go/"},
		{"file:///srv/a%20b", "channel.toml", "file:///srv/a%20b/channel.toml"},
		{"file://localhost/srv", "channel.toml", "file:///srv/channel.toml"},
		{"file:/srv", "channel.toml", "file:///srv/channel.toml"},
		{"/srv/a b#c?d%e", "channel.toml", "file:///srv/a%20b%23c%3Fd%25e/channel.toml"},
		{"/srv/channel.toml", "channel.toml", "file:///srv/channel.toml"},
		{"../mirror", "channel.toml", "file:///work%20dir/mirror/channel.toml"},
		{".", "channel.toml", "file:///work%20dir/here/channel.toml"},
	} {
		got, err := manifests.Locate(c.where, cwd, c.name)
		if err != nil || got != c.want {
			t.Errorf("Locate(%q, %q) = %q, %v; want %q", c.where, c.name, got, err, c.want)
		}
	}
	for _, where := range []string{
		"", "ftp://example.org/x", "https://", "https://example.org/?token=1", "https://example.org/?", "https://example.org/#x",
		"file://server/share", "file:relative", "file://user:secret@/x", "https://user:sec\x00ret@example.org/", "https://:80/x",
	} {
		got, err := manifests.Locate(where, cwd, "channel.toml")
		if err == nil {
			t.Errorf("Locate(%q) = %q, want an error", where, got)
		} else if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "sec\x00ret") {
			t.Errorf("Locate(%q) shows the password: %v", where, err)
		}
	}
}

func TestJoin(t *testing.T) {
	for _, c := range []struct{ manifest, rel, want string }{
		{"https://example.org/acme/channel.toml", "blobs/zig.tar.zst", "https://example.org/acme/blobs/zig.tar.zst"},
		{"https://example.org", "x", "https://example.org/x"},
		{"https://u:p@example.org/acme/channel.toml", "x", "https://u:p@example.org/acme/x"},
		{"https://example.org/a%2Fb/channel.toml", "x", "https://example.org/a%2Fb/x"},
		{"https://example.org/channel.toml", "a b#c?d%2e+~:@é/f", "https://example.org/a%20b%23c%3Fd%252e%2B~:@%C3%A9/f"},
		{"file:///srv/channel.toml", "a b", "file:///srv/a%20b"},
	} {
		got, err := manifests.Join(c.manifest, c.rel)
		if err != nil || got != c.want {
			t.Errorf("Join(%q, %q) = %q, %v; want %q", c.manifest, c.rel, got, err, c.want)
		}
	}
	for _, rel := range []string{"", ".", "..", "../x", "a/../../x", "a/..", "a/./b", "./a", "/x", "//x", "a//b", "a/", `..\x`, `a\b`, "a\x00b", "a\nb", "a\xffb"} {
		if got, err := manifests.Join("https://example.org/acme/channel.toml", rel); err == nil {
			t.Errorf("Join(%q) = %q, want an error", rel, got)
		}
	}
	for _, manifest := range []string{"", "x", "https:x", "https://example.org/a?b", "https://example.org/a#b", "https://u:secret@exa mple/"} {
		got, err := manifests.Join(manifest, "x")
		if err == nil {
			t.Errorf("Join(%q, x) = %q, want an error", manifest, got)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("Join(%q) shows the password: %v", manifest, err)
		}
	}
}

// TestRedactDropsUser checks that Redact removes the user name and password of any
// URL, and keeps everything else.
func TestRedactDropsUser(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		user := url.UserPassword("U"+rapid.String().Draw(t, "user"), "P"+rapid.String().Draw(t, "password"))
		u := url.URL{Scheme: "https", User: user, Host: "example.org", Path: "/" + rapid.StringMatching(`[a-z@:%/ ]*`).Draw(t, "path")}
		with := u.String()
		u.User = nil
		if got := manifests.Redact(with); got != u.String() {
			t.Fatalf("Redact(%q) = %q, want %q", with, got, u.String())
		}
	})
}

func FuzzRefs(f *testing.F) {
	f.Add("https://user:secret@example.org/a%2Fb/channel.toml", "blobs/a b+c")
	f.Add("file:///srv/channel.toml", "../x")
	f.Add("user:secret@host", "a%2e%2e/b")
	f.Add("//u@h", ".")
	f.Fuzz(func(t *testing.T, manifest, rel string) {
		clean := manifests.Redact(manifest)
		if u, err := url.Parse(clean); err == nil && u.User != nil {
			t.Fatalf("Redact(%q) = %q still names a user", manifest, clean)
		}
		if again := manifests.Redact(clean); again != clean {
			t.Fatalf("Redact(%q) = %q, but redacted twice it is %q", manifest, clean, again)
		}
		ref, err := manifests.Join(manifest, rel)
		if err != nil {
			return
		}
		base, err := url.Parse(manifest)
		if err != nil {
			t.Fatalf("Join accepted %q, which is not a URL: %v", manifest, err)
		}
		u, err := url.Parse(ref)
		if err != nil {
			t.Fatalf("Join(%q, %q) = %q: %v", manifest, rel, ref, err)
		}
		if u.Scheme != base.Scheme || u.Host != base.Host || u.RawQuery != "" || u.Fragment != "" {
			t.Fatalf("Join(%q, %q) = %q: another location", manifest, rel, ref)
		}
		dir := base.EscapedPath()
		dir = dir[:strings.LastIndex(dir, "/")+1]
		below, ok := strings.CutPrefix(u.EscapedPath(), dir)
		if !ok {
			t.Fatalf("Join(%q, %q) = %q: not below %q", manifest, rel, ref, dir)
		}
		name, err := url.PathUnescape(strings.TrimPrefix(below, "/"))
		if err != nil || name != rel || path.Clean(name) != name || strings.HasPrefix(name, "..") && (name == ".." || strings.HasPrefix(name, "../")) {
			t.Fatalf("Join(%q, %q) = %q names %q", manifest, rel, ref, name)
		}
	})
}
