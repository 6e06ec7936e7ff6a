//go:build live

package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	gomodule "golang.org/x/mod/module"
	"golang.org/x/mod/zip"

	"github.com/kist-tools/kist/manifests/upstreams"
)

// TestBootstrap runs the lines of docs/install.md, each way in a new Debian system, with a
// release that two of three test keys have signed. Then it runs them against servers
// that lie.
func TestBootstrap(t *testing.T) {
	r := newReleasing(t)
	ann, bob := r.signers[0], r.signers[1]
	dir := r.build("0.1.0")
	r.sign(dir, ann, bob)
	site := serveSite(t, dir)
	b := &bootstrap{releasing: r, site: site, base: debianRoot(t)}

	t.Run("Debian", func(t *testing.T) {
		b.works(t, b.machine(t), b.script("Debian"), "/usr/bin/kist")
	})
	t.Run("any Linux", func(t *testing.T) {
		m := b.machine(t)
		b.works(t, m, b.script("Any Linux"), "/root/.local/bin/kist")
		m.must(t, "rm /root/.local/bin/kist", rootHome)
		b.works(t, m, b.withSqv(t), "/root/.local/bin/kist")
	})
	t.Run("Go", func(t *testing.T) {
		site.module = moduleProxy(t, r.checkout, "v0.1.0")
		m := b.machine(t)
		m.shared = map[string]string{"/usr/local/go": goEnv(t, "GOROOT"), "/srv/go-build": goEnv(t, "GOCACHE")}
		for at := range m.shared {
			tool(t, "mkdir", "-p", filepath.Join(m.root, at))
		}
		// The cache of compiled packages is this machine's, to save time. It also has what
		// the go command found in modules, by path, so that of the modules is a new one.
		b.works(t, m, "export PATH=/usr/local/go/bin:$PATH\n"+b.script("With Go"), "/root/go/bin/kist",
			"GOPROXY="+site.url+"/go,"+goEnv(t, "GOPROXY"), "GONOSUMDB=github.com/kist-tools/kist", "GOTOOLCHAIN=local", "GOCACHE=/srv/go-build", "GOMODCACHE=/root/"+filepath.Base(filepath.Dir(m.root)), "GOFLAGS=-trimpath", "CGO_ENABLED=0")
	})
	t.Run("Dockerfile", func(t *testing.T) {
		b.works(t, b.machine(t), b.dockerfile(t, dir), "/usr/local/bin/kist")
	})
	t.Run("lies", b.lies)
}

const rootHome = "HOME=/root"

// bootstrap runs the lines of the documentation.
type bootstrap struct {
	*releasing
	site *releaseSite
	base string // root directory of a new system, to be copied
}

// debianRoot installs the smallest Debian.
func debianRoot(t *testing.T) string {
	t.Helper()
	root, from := filepath.Join(commonDir(t), "debian"), aptMirror(t)
	tool(t, "debootstrap", "--variant=minbase", "--include=ca-certificates,curl,gpg,gpgv,sqv", "bookworm", root, from)
	m := &machine{name: "Debian", root: root, release: "bookworm"}
	m.settle(t, "/bin/true", from, nil)
	tool(t, "rm", filepath.Join(root, "usr/local/bin/kist"))
	m.must(t, "apt-get -qq update", rootHome)
	return root
}

func (b *bootstrap) machine(t *testing.T) *machine {
	t.Helper()
	root := filepath.Join(commonDir(t), "root")
	tool(t, "cp", "-a", b.base, root)
	return &machine{name: "Debian", root: root, release: "bookworm"}
}

// section returns the first block of code in a section of docs/install.md, with the
// test's server and keys.
func (b *bootstrap) section(title string) string {
	b.t.Helper()
	_, rest, _ := strings.Cut(takeFile(b.t, "../../docs/install.md"), "\n## "+title+"\n")
	_, rest, ok := strings.Cut(rest, "```")
	block, _, end := strings.Cut(rest, "```")
	_, block, _ = strings.Cut(block, "\n")
	if !ok || !end {
		b.t.Fatalf("docs/install.md has no lines for %s", title)
	}
	return b.here(block)
}

// here replaces the placeholders of the documentation.
func (b *bootstrap) here(lines string) string {
	var keys []string
	for _, s := range b.signers {
		keys = append(keys, s.fingerprint())
	}
	return strings.NewReplacer(strings.TrimSuffix(upstreams.OwnURL, "/channel/channel.toml"), b.site.url, "FINGERPRINT1|FINGERPRINT2|FINGERPRINT3", strings.Join(keys, "|"),
		"linux-amd64", "linux-"+runtime.GOARCH).Replace(lines)
}

// script returns the lines of a section, to be run in a directory of their own.
func (b *bootstrap) script(title string) string {
	return "mkdir -p /root/work && cd /root/work && rm -f *\n" + b.section(title)
}

// withSqv returns the lines for any Linux, with the third for sqv.
func (b *bootstrap) withSqv(t *testing.T) string {
	t.Helper()
	page := takeFile(t, "../../docs/install.md")
	_, rest, _ := strings.Cut(page, "this is the third line:\n\n```sh\n")
	third, _, ok := strings.Cut(rest, "\n")
	lines := strings.Split(b.script("Any Linux"), "\n")
	if !ok || !strings.HasPrefix(lines[3], `test "$(gpgv `) || !strings.HasPrefix(third, `test "$(sqv `) {
		t.Fatalf("the third lines are %q and %q", lines[3], third)
	}
	lines[3] = third
	return strings.Join(lines, "\n")
}

// dockerfile returns the instructions of the Dockerfile as a script.
func (b *bootstrap) dockerfile(t *testing.T, dir string) string {
	t.Helper()
	archive := filepath.Join(dir, "0.1.0", "kist-0.1.0-linux-"+runtime.GOARCH+".tar.gz")
	text := strings.Replace(b.section("In a container image"), "ARCHIVE_DIGEST", sha256sum(t, archive), 1)
	script := []string{"cd /"}
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		switch instruction, rest, _ := strings.Cut(line, " "); instruction {
		case "FROM":
			mentions(t, rest, "debian:12@sha256:")
		case "ARG", "ENV":
			script = append(script, "export "+rest)
		case "RUN":
			script = append(script, rest)
		default:
			t.Fatalf("cannot run %s", line)
		}
	}
	return strings.Join(script, "\n")
}

// works runs a script that installs kist at a path of m, and then kist: it adds a channel
// and installs a tool.
func (b *bootstrap) works(t *testing.T, m *machine, script, at string, variables ...string) {
	t.Helper()
	started := time.Now()
	m.must(t, script, append(variables, rootHome)...)
	t.Logf("%s: %v", t.Name(), time.Since(started).Round(100*time.Millisecond))
	mentions(t, m.must(t, at+" version", rootHome), "kist v0.1.0 (")

	acme, channel := newSigner(t, "ed25519"), filepath.Join(m.root, "srv/acme")
	byHand(t, channel, acme, 1, 3, "1.0")
	b.site.channel = channel
	write(t, filepath.Join(m.root, "root/acme.asc"), takeFile(t, acme.publicKey()), 0o644)
	started = time.Now()
	out := m.must(t, at+" channel add acme "+b.site.url+"/acme/ --key /root/acme.asc && "+at+" install acme/hello && /root/.local/bin/hello && "+at+" uninstall hello && "+at+" channel remove acme", rootHome)
	mentions(t, out, "hello 1.0\n")
	t.Logf("%s: a tool of a channel: %v", t.Name(), time.Since(started).Round(100*time.Millisecond))
}

// withSubkey returns the certificate of s with the key of another as a subkey, but
// without a signature that says so. A keyring comes from the server, so that gpgv and sqv
// look for one is what the lines rely on.
func withSubkey(s, other signer) string {
	primary := other.gpg("--export") // begins with the packet of a public key, in the old format with one byte of length
	return s.gpg("--export") + "\xb8" + primary[1:2+int(primary[1])]
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	return strings.TrimSpace(tool(t, "go", "env", name))
}

// lies serves altered copies of the release, and checks that neither way installs kist.
// An unaltered copy is their twin.
func (b *bootstrap) lies(t *testing.T) {
	honest, ann, bob, mallory := b.site.dir, b.signers[0], b.signers[1], newSigner(t, "ed25519")
	archive, old := "0.1.0/kist-0.1.0-linux-"+runtime.GOARCH+".tar.gz", "0.1.0/kist-0.0.9-linux-"+runtime.GOARCH+".tar.gz"
	deb := "apt/kist_0.1.0_" + runtime.GOARCH + ".deb"
	m := b.machine(t)
	for _, lie := range []struct {
		name    string
		do      string   // what is done to the copy
		signers []signer // who sign it again then
		days    int      // how long ago
		after   string   // what is done once it is signed
		// What the lines print. Where that is empty, they print no reason.
		debian, linux string
	}{
		{name: "one altered file", do: "printf x >>" + archive + "; printf x >>" + deb, debian: "unexpected size", linux: "FAILED"},
		{name: "one signature short", signers: []signer{ann}, debian: ann.fingerprint() + "\n", linux: ann.fingerprint() + "\n"},
		{name: "one builder lies", do: "tar -czf " + archive + " channel; printf x >>" + deb, signers: []signer{bob}, debian: bob.fingerprint() + "\n", linux: bob.fingerprint() + "\n"},
		{name: "an old release under a new name", do: "mv " + archive + " " + old, signers: []signer{ann, bob},
			after:  "mv " + old + " " + archive + "; sed -i 's/^Version: .*/Version: 0.2.0/' apt/Packages; gzip -fk apt/Packages",
			debian: "unexpected size", linux: "no file was verified"},
		{name: "an old index", days: 100, signers: []signer{ann, bob}, debian: "is expired"},
		{name: "a subkey that nobody bound", do: "cat forged.gpg >kist-release.gpg", signers: []signer{bob, mallory}, debian: bob.fingerprint() + "\n", linux: bob.fingerprint() + "\n"},
		{name: "one more key", do: "cat mallory.gpg >>kist-release.gpg", signers: []signer{mallory}},
	} {
		t.Run(lie.name, func(t *testing.T) {
			b.site.dir = filepath.Join(commonDir(t), "site")
			tool(t, "cp", "-r", honest, b.site.dir)
			mallory.gpg("--output", filepath.Join(b.site.dir, "mallory.gpg"), "--export", mallory.uid)
			write(t, filepath.Join(b.site.dir, "forged.gpg"), withSubkey(ann, mallory)+b.signers[1].gpg("--export")+b.signers[2].gpg("--export"), 0o644)
			tool(t, "sh", "-euc", "cd "+b.site.dir+"\n"+lie.do)
			if lie.signers != nil {
				signAgain(t, b.site.dir, lie.days, lie.signers...)
			}
			tool(t, "sh", "-euc", "cd "+b.site.dir+"\n"+lie.after)
			b.refused(t, m, b.script("Debian"), "/usr/bin/kist", lie.debian)
			if lie.days == 0 { // it concerns apt alone
				b.refused(t, m, b.script("Any Linux"), "/root/.local/bin/kist", lie.linux)
				b.refused(t, m, b.withSqv(t), "/root/.local/bin/kist", lie.linux)
			}
		})
	}
	b.site.dir = filepath.Join(commonDir(t), "site")
	tool(t, "cp", "-r", honest, b.site.dir)
	signAgain(t, b.site.dir, 0, ann, bob)
	b.works(t, m, b.script("Debian"), "/usr/bin/kist")
	b.works(t, m, b.script("Any Linux"), "/root/.local/bin/kist")
}

// refused runs a script that must fail for a reason, and must not install kist at a path
// of m.
func (b *bootstrap) refused(t *testing.T, m *machine, script, at, reason string) {
	t.Helper()
	o := m.run(t, script, rootHome)
	if o.code == 0 || exists(t, filepath.Join(m.root, at)) {
		t.Errorf("want a refusal, got %v", o)
	}
	mentions(t, o.stdout+o.stderr, reason)
	m.must(t, "rm -rf /etc/apt/sources.list.d/kist.sources /etc/apt/keyrings/kist.gpg /var/lib/apt/lists/*_apt_._*")
}

// signAgain writes the digests and the index of a release again, as if they were days
// old, and lets signers sign them by hand.
func signAgain(t *testing.T, dir string, days int, signers ...signer) {
	t.Helper()
	tool(t, "sh", "-euc", `cd "$1/0.1.0" && rm SHA256SUMS* && sha256sum * >SHA256SUMS
cd ../apt && rm -f Packages* InRelease Release* && apt-ftparchive packages . >Packages && gzip -k Packages
apt-ftparchive -o APT::FTPArchive::Release::Date="$(date -uR -d "-$2 days")" release . >../Release
sed -i "/^Date:/a Valid-Until: $(date -uR -d "90 days -$2 days")" ../Release && mv ../Release .`, "sh", dir, fmt.Sprint(days))
	sums, release := filepath.Join(dir, "0.1.0", "SHA256SUMS"), filepath.Join(dir, "apt", "Release")
	var bin, inline strings.Builder
	head := ""
	for _, s := range signers {
		bin.WriteString(s.gpg("--output", "-", "--detach-sign", sums))
		clear := s.gpg("--output", "-", "--digest-algo", "SHA512", "--clearsign", release)
		text, signature, _ := strings.Cut(clear, "-----BEGIN PGP SIGNATURE")
		cmd := exec.Command("gpg", "--batch", "--no-autostart", "--dearmor")
		cmd.Stdin = strings.NewReader("-----BEGIN PGP SIGNATURE" + signature)
		o := finish(t, cmd)
		head = text
		inline.WriteString(o.stdout)
	}
	write(t, sums+".asc", bin.String(), 0o644)
	cmd := exec.Command("gpg", "--batch", "--no-autostart", "--enarmor")
	cmd.Stdin = strings.NewReader(inline.String())
	armored := strings.ReplaceAll(finish(t, cmd).stdout, "ARMORED FILE", "SIGNATURE")
	write(t, filepath.Join(dir, "apt", "InRelease"), head+armored, 0o644)
}

// releaseSite serves a release, a channel and a module on loopback. What it serves can be
// changed between requests.
type releaseSite struct {
	url                  string
	dir, channel, module string
}

func serveSite(t *testing.T, dir string) *releaseSite {
	t.Helper()
	s := &releaseSite{dir: dir}
	mux := http.NewServeMux()
	serve := func(prefix string, dir *string) {
		mux.HandleFunc(prefix, func(w http.ResponseWriter, r *http.Request) {
			http.StripPrefix(strings.TrimSuffix(prefix, "/"), http.FileServer(http.Dir(*dir))).ServeHTTP(w, r)
		})
	}
	serve("/", &s.dir)
	serve("/acme/", &s.channel)
	serve("/go/", &s.module)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// moduleProxy returns a directory in the form of a Go module proxy (go.dev/ref/mod) that
// has one version of kist, the files of a checkout.
func moduleProxy(t *testing.T, checkout, version string) string {
	t.Helper()
	dir := commonDir(t)
	at := filepath.Join(dir, "github.com/kist-tools/kist/@v")
	write(t, filepath.Join(at, "list"), version+"\n", 0o644)
	write(t, filepath.Join(at, version+".info"), fmt.Sprintf(`{"Version":%q,"Time":"2026-01-01T00:00:00Z"}`, version), 0o644)
	write(t, filepath.Join(at, version+".mod"), takeFile(t, filepath.Join(checkout, "go.mod")), 0o644)
	out, err := os.Create(filepath.Join(at, version+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := zip.CreateFromDir(out, gomodule.Version{Path: "github.com/kist-tools/kist", Version: version}, checkout); err != nil {
		t.Fatal(err)
	}
	return dir
}
