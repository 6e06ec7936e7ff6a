//go:build interop || live || signed

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// alone is a machine that reaches nothing but its mirror: a namespace without a network,
// in which an nginx serves the mirror as docs/fleet.md says. The machine's own config.toml
// is the one that mirror sync printed.
type alone struct {
	t      *testing.T
	work   string // etc/ is bound over /etc/kist, mirror/ is the mirror
	client *home
}

const aloneURL = "http://127.0.0.1:8080/"

// standAlone makes the machine of client.
func standAlone(t *testing.T, client *home) *alone {
	t.Helper()
	work := commonDir(t)
	if err := os.Mkdir(filepath.Join(work, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(work, "nginx.conf"), fmt.Sprintf(`user root;
pid %[1]s/pid;
error_log %[1]s/error.log;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;
	server {
		listen 127.0.0.1:8080;
		root %[1]s/mirror;
		location / { try_files /current$uri /current${uri}index.html /previous$uri =404; }
	}
}
`, work), 0o644)
	if _, err := os.Stat("/etc/kist"); errors.Is(err, fs.ErrNotExist) {
		tool(t, "mkdir", "/etc/kist")
		t.Cleanup(func() { tool(t, "rmdir", "/etc/kist") })
	}
	return &alone{t, work, client}
}

// sync brings the mirror up to date, and gives the machine its config.toml. It begins a
// second after what was published or synced before: an ETag of nginx is only the size of a
// file and the second of its last change.
func (m *alone) sync(operator *home, args ...string) {
	m.t.Helper()
	time.Sleep(1100 * time.Millisecond)
	args = append([]string{"mirror", "sync", filepath.Join(m.work, "mirror"), "--url", aloneURL}, args...)
	write(m.t, filepath.Join(m.work, "etc", "config.toml"), operator.must(args...), 0o644)
}

// project makes a project with one file, and returns the client in its directory. The
// processes of the namespace end with each command.
func (m *alone) project(name, file, text string) *home {
	m.t.Helper()
	dir := filepath.Join(m.work, "projects", name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		m.t.Fatal(err)
	}
	write(m.t, filepath.Join(dir, file), text, 0o644)
	return m.client.under("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "sh", "-ec", fmt.Sprintf(`
		ip link set lo up
		mount --bind %[1]s/etc /etc/kist
		nginx -p %[1]s -c %[1]s/nginx.conf
		cd %[2]s
		exec "$@"`, m.work, dir), "sh")
}

// file returns the one file of the served snapshot that matches pattern, by its path there.
func (m *alone) file(pattern string) string {
	m.t.Helper()
	current := filepath.Join(m.work, "mirror", "current")
	name, err := filepath.Rel(current, matches(m.t, filepath.Join(current, pattern))[0])
	if err != nil {
		m.t.Fatal(err)
	}
	return name
}

// at returns the path of a file of the served snapshot, or of all of it.
func (m *alone) at(name string) string { return filepath.Join(m.work, "mirror", "current", name) }

// replace gives a file of the snapshot other content. Files are hard links, so it makes a
// new one.
func (m *alone) replace(name, text string) {
	m.t.Helper()
	if err := os.Remove(m.at(name)); err != nil {
		m.t.Fatal(err)
	}
	write(m.t, m.at(name), text, 0o644)
}

// change adds a line to a file of the snapshot.
func (m *alone) change(name string) {
	m.t.Helper()
	m.replace(name, takeFile(m.t, m.at(name))+"# changed\n")
}

// swap exchanges two files of the snapshot.
func (m *alone) swap(a, b string) {
	m.t.Helper()
	textA, textB := takeFile(m.t, m.at(a)), takeFile(m.t, m.at(b))
	m.replace(a, textB)
	m.replace(b, textA)
}

// kept is a copy of a snapshot.
type kept struct {
	m   *alone
	dir string
}

// keep copies the snapshot that is served, by links: replace never writes to a file.
func (m *alone) keep() kept {
	m.t.Helper()
	dir := filepath.Join(commonDir(m.t), "kept")
	tool(m.t, "cp", "-al", m.at("")+"/.", dir)
	return kept{m, dir}
}

// put serves these files as they were when the copy was made.
func (k kept) put(names ...string) {
	k.m.t.Helper()
	for _, name := range names {
		k.m.replace(name, takeFile(k.m.t, filepath.Join(k.dir, name)))
	}
}

// A mirrorAttack changes what the mirror serves, or lets time pass, and says how kist must end.
type mirrorAttack struct {
	name string
	do   func()
	wait time.Duration
	code int
}

// refused checks that the mirror is refused during each attack, and serves again after it.
func (m *alone) refused(client *home, ref string, attacks []mirrorAttack) {
	m.t.Helper()
	good := m.keep()
	for _, a := range attacks {
		a.do()
		later := client.with("KIST_TEST_CLOCK=" + a.wait.String())
		if got := later.kist("list", "--available", ref); got.code != a.code {
			m.t.Errorf("%s, %s: want exit %d, got %v", ref, a.name, a.code, got)
		}
		if a.wait == 0 {
			tool(m.t, "cp", "-al", "--remove-destination", good.dir+"/.", m.at(""))
		}
		client.must("list", "--available", ref)
	}
}

// buildForTest compiles kist with the key of release in place of Rust's own, and with a
// clock that KIST_TEST_CLOCK sets forward. Nothing else differs from build.
func buildForTest(t *testing.T, release signer) string {
	t.Helper()
	work := commonDir(t)
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	overlay := map[string]string{} // of the go command: what to read instead of a file
	instead := func(name, text string) {
		file := filepath.Join(work, strings.ReplaceAll(name, "/", "_"))
		write(t, file, text, 0o644)
		overlay[filepath.Join(root, name)] = file
	}
	edit := func(name, old, with string) {
		before := takeFile(t, filepath.Join(root, name))
		after := regexp.MustCompile(old).ReplaceAllString(before, with)
		if after == before {
			t.Fatalf("%s: nothing matches %s", name, old)
		}
		instead(name, after)
	}
	fingerprint := regexp.MustCompile(`(?m)^fpr:+([0-9A-F]{40}):`).FindStringSubmatch(release.gpg("--with-colons", "--list-keys"))[1]
	instead("verify/keyrings/rust/"+fingerprint+".asc", takeFile(t, release.publicKey()))
	edit("verify/keyrings/pins.go", `(?s)("rust": \{\n).*?\n\t\},`, "$1\t\tpin(\""+fingerprint+"\"),\n\t},")
	edit("cmd/kist/process.go", `(?s)time\.Now(.*)$`, `testClock$1
func testClock() time.Time {
	ahead, _ := time.ParseDuration(os.Getenv("KIST_TEST_CLOCK"))
	return time.Now().Add(ahead)
}
`)
	list, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(work, "overlay.json"), string(list), 0o644)
	program := filepath.Join(work, "kist")
	cmd := exec.Command("go", "build", "-overlay", filepath.Join(work, "overlay.json"), "-o", program, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

// publishStableRust publishes a small release in the layout of Rust's own host, below dir:
// it is the stable one.
func publishStableRust(t *testing.T, dir string, release signer, number, date string) {
	t.Helper()
	parts := smallRust(number)
	for i := range parts {
		var b strings.Builder
		parts[i].pack(t, &b, number)
		write(t, filepath.Join(dir, "dist", date, parts[i].file(number)), b.String(), 0o644)
	}
	text := rustManifest(number, date, rustHosts(), parts)
	for _, name := range []string{"stable", number} {
		manifest := filepath.Join(dir, "dist", "channel-rust-"+name+".toml")
		write(t, manifest, text, 0o644)
		release.sign(manifest)
	}
}

// withRustFrom has h ask web in place of Rust's own host.
func withRustFrom(t *testing.T, h *home, web *nginx) {
	t.Helper()
	if err := os.MkdirAll(h.path(".config", "kist"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, h.path(".config", "kist", "config.toml"), fmt.Sprintf("format = 1\n[[mirror]]\nfrom = \"https://static.rust-lang.org/\"\nto = %q\nonly = true\n", web.http), 0o600)
}
