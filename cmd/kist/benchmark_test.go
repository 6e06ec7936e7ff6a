//go:build benchmark

package main

import (
	"bufio"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/verify/inflate"
	"github.com/kist-tools/kist/verify/verifytest"
)

// The speed of kist against that of rustup, mise, GNU tar and rm, as whole
// processes on one machine in one run: docs/benchmarks.md says how to read it.
//
//	go test -tags benchmark -run TestBenchmark -v -timeout 4h ./cmd/kist -bench-data /var/tmp/kist-bench

var (
	benchData = flag.String("bench-data", "", "directory for what takes long to make; it is used again")
	benchRuns = flag.Int("bench-runs", 5, "runs of each contender")
)

func TestBenchmark(t *testing.T) {
	if *benchData == "" {
		t.Fatal("say where the archives go: -bench-data DIR, best on a file system that nothing else uses")
	}
	must(t, os.MkdirAll(*benchData, 0o755))
	b := &benchmark{t: t, program: build(t), signer: newSigner(t, "rsa3072"), report: report{t: t}}
	var err error
	b.work, err = os.MkdirTemp(*benchData, "run-")
	must(t, err)
	b.rust, b.tools = makeRustMirror(t, *benchData), makeToolMirror(t, *benchData)
	b.web = startNginx(t, *benchData)
	for _, part := range []struct {
		name string
		run  func()
	}{
		{"minimal", func() { b.rustInstalls("minimal") }}, {"default", func() { b.rustInstalls("default") }}, {"floors", b.floors}, {"throttled", b.throttled}, {"wall", b.wall}, {"archives", b.archives}, {"nothing", b.nothing}, {"command", b.commands},
		{"uninstall", b.removals}, {"files", b.manyFiles},
		{"publish", b.publishing},
	} {
		t.Run(part.name, func(t *testing.T) {
			b.t, b.report.t = t, t
			part.run()
		})
	}
	b.report.print()
}

type benchmark struct {
	t       *testing.T
	program string
	signer  signer
	report  report
	rust    rustMirror
	tools   toolMirror
	web     *nginx
	work    string // where everything timed goes; nothing there is deleted while it runs
	homes   int
}

// dir returns a new directory. None is ever removed between runs, because some file
// systems are several times as slow after a mass delete.
func (b *benchmark) dir() string {
	b.homes++
	dir := filepath.Join(b.work, fmt.Sprint(b.homes))
	must(b.t, os.MkdirAll(dir, 0o755))
	return dir
}

func (b *benchmark) home() *home {
	dir := b.dir()
	return &home{t: b.t, program: b.program, dir: dir, env: []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}}
}

// kist returns a contender that runs kist in a home that setup prepares each time.
func (b *benchmark) kist(name string, setup func(*home), args ...string) contender {
	var h *home
	return contender{name: name,
		prepare: func() { h = b.home(); setup(h) },
		command: func() *exec.Cmd { return h.command(args...) }}
}

// rustup returns a contender that runs rustup in the same way.
func (b *benchmark) rustup(name, variant string, setup func(env []string), args ...string) contender {
	var env []string
	return contender{name: name,
		prepare: func() { env = b.rustupEnv(variant); setup(env) },
		command: func() *exec.Cmd { return withEnv(exec.Command("rustup", args...), env) }}
}

func (b *benchmark) rustupEnv(variant string) []string {
	dir := b.dir()
	return []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "RUSTUP_HOME=" + filepath.Join(dir, "rustup"), "CARGO_HOME=" + filepath.Join(dir, "cargo"),
		"RUSTUP_DIST_SERVER=" + b.web.http + "rust/" + variant}
}

func withEnv(cmd *exec.Cmd, env []string) *exec.Cmd {
	cmd.Env = env
	return cmd
}

// mirrored adds the channel of a variant, once it is signed.
func (b *benchmark) mirrored(variant string) func(*home) {
	return b.mirroredAt(b.web.http+"rust/", variant)
}

func (b *benchmark) mirroredAt(mirror, variant string) func(*home) {
	return func(h *home) {
		h.must("channel", "add", "mirror", mirror+variant+"/dist/channel-rust-stable.toml", "--format", "rust", "--key", b.signer.publicKey())
	}
}

func (b *benchmark) variant(name string, kinds ...string) {
	manifest := b.rust.variant(b.t, name, kinds...)
	must(b.t, os.RemoveAll(manifest+".asc"))
	b.signer.sign(manifest)
	versioned := filepath.Join(filepath.Dir(manifest), "channel-rust-"+b.rust.version+".toml")
	write(b.t, versioned+".asc", takeFile(b.t, manifest+".asc"), 0o644)
}

func rustupInstall(profile string) []string {
	return []string{"toolchain", "install", "stable", "--profile", profile, "--no-self-update"}
}

func nothingFirst([]string) {}

// rustInstalls compares kist with rustup, from one mirror.
func (b *benchmark) rustInstalls(profile string) {
	b.variant("choice", "gz", "xz", "zst")
	b.variant("gz", "gz")
	b.variant("xz", "xz")
	install := []string{"install", "mirror/rust", "--profile", profile}
	f := installs(b.t, *benchRuns,
		b.kist("kist, its choice, "+profile, b.mirrored("choice"), install...),
		b.kist("kist, gz, "+profile, b.mirrored("gz"), install...),
		b.kist("kist, xz, "+profile, b.mirrored("xz"), install...),
		b.rustup("rustup, its choice, "+profile, b.rustupVariant("upstream", "gz", "xz"), nothingFirst, rustupInstall(profile)...),
		b.rustup("rustup, gz, "+profile, b.rustupVariant("gz", "gz"), nothingFirst, rustupInstall(profile)...),
	)
	own, gz, xz, theirs, theirGz := f[0], f[1], f[2], f[3], f[4]
	reach := map[string][]float64{"minimal": {0.22, 0.65}, "default": {0.32, 0.75}}[profile]
	b.report.row("Rust "+profile+", each one's own choice of archive: wall / rustup", ratio(own, theirs, wall), reach[0])
	b.report.row("Rust "+profile+", gz: wall / rustup", ratio(gz, theirGz, wall), reach[1])
	b.report.row("Rust "+profile+", xz: wall / rustup", ratio(xz, theirs, wall), 0.90)
	b.report.row("Rust "+profile+", gz: CPU / rustup", ratio(gz, theirGz, cpu), 0.85)
	b.report.row("Rust "+profile+", xz: CPU / rustup", ratio(xz, theirs, cpu), 1.2)
	b.report.row("Rust "+profile+", gz: memory / rustup", ratio(gz, theirGz, memory), 0.15)
	b.report.row("Rust "+profile+", xz: memory / rustup", ratio(xz, theirs, memory), 0.6)
}

// floors compares kist with the least time that the machine needs, measured beside each
// run.
func (b *benchmark) floors() {
	for _, profile := range []string{"minimal", "default"} {
		parts, walls := floor{}, map[string][]float64{}
		for run := -1; run < *benchRuns; run++ { // the first one only warms up
			for _, kind := range []string{"gz", "zst"} {
				emptyPageCache(b.t)
				b.variant(kind, kind)
				c := b.kist("", b.mirrored(kind), "install", "mirror/rust", "--profile", profile)
				c.prepare()
				if took := measure(b.t, c.command()).wall; run >= 0 {
					walls[kind] = append(walls[kind], took)
				}
				syscall.Sync()
				b.takeParts(parts, profile, kind)
			}
		}
		for _, kind := range []string{"gz", "zst"} {
			least := parts.seconds(packagesOf(profile), kind)
			b.t.Logf("kist, %s, %s: wall %.3f s; two cores need %.3f s", kind, profile, median(walls[kind]), least)
			b.report.row("Rust "+profile+", "+kind+": wall / the floor of this machine", median(walls[kind])/least, 1.25)
		}
	}
}

func packagesOf(profile string) []string {
	packages := []string{"rustc", "cargo", "rust-std"}
	if profile == "default" {
		packages = append(packages, "rust-docs", "rustfmt-preview", "clippy-preview")
	}
	return packages
}

// floor holds the times that parts of an install take alone, in seconds: the shortest of
// several runs.
type floor map[string]float64

func (f floor) note(part string, seconds float64) {
	if have, ok := f[part]; !ok || seconds < have {
		f[part] = seconds
	}
}

// seconds returns the least time that two cores need: decoding, hashing and writing
// shared between them, or the longest single archive.
func (f floor) seconds(packages []string, kind string) float64 {
	var work, longest float64
	for _, pkg := range packages {
		decode := f["decode "+pkg+" "+kind]
		longest = max(longest, decode)
		work += decode + f["hash "+pkg+" "+kind] + f["write "+pkg]
	}
	return max(work/2, longest)
}

// takeParts times the parts of an install.
func (b *benchmark) takeParts(f floor, profile, kind string) {
	for _, pkg := range packagesOf(profile) {
		file := b.rust.archives[pkg][kind]
		if file == "" {
			b.t.Fatalf("rustup's toolchain has no %s: rustup component add %s", pkg, pkg)
		}
		f.note("decode "+pkg+" "+kind, decodeTime(b.t, file, kind))
		f.note("hash "+pkg+" "+kind, hashTime(b.t, file))
		cmd := exec.Command("tar", "-C", b.dir(), "-xf", b.rust.archives[pkg][""])
		must(b.t, cmd.Run())
		f.note("write "+pkg, (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds())
	}
}

// rustupVariant makes the variant for rustup, which prefers xz if it is offered; gz is in
// every manifest of upstream's.
func (b *benchmark) rustupVariant(name string, kinds ...string) string {
	b.variant(name, kinds...)
	return name
}

func decodeTime(t *testing.T, file, kind string) float64 {
	f, err := os.Open(file)
	must(t, err)
	defer f.Close()
	start := time.Now()
	var r io.Reader
	if kind == "zst" {
		d, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
		must(t, err)
		defer d.Close()
		r = d
	} else {
		r, err = inflate.NewGzipReader(bufio.NewReaderSize(f, 128<<10))
		must(t, err)
	}
	_, err = io.Copy(io.Discard, r)
	must(t, err)
	return time.Since(start).Seconds()
}

func hashTime(t *testing.T, file string) float64 {
	f, err := os.Open(file)
	must(t, err)
	defer f.Close()
	start := time.Now()
	_, err = io.Copy(sha256.New(), f)
	must(t, err)
	return time.Since(start).Seconds()
}

// wall compares whole installs by this program, with the sandbox and without it.
func (b *benchmark) wall() {
	b.variant("gz", "gz")
	self, err := os.Executable()
	must(b.t, err)
	dir := b.dir()
	by := func(name, profile string) contender { // TestMain goes by the name
		var h *home
		return contender{name: name + ", " + profile,
			prepare: func() { h = b.home(); h.program = filepath.Join(dir, name); b.mirrored("gz")(h) },
			command: func() *exec.Cmd { return h.command("install", "mirror/rust", "--profile", profile) }}
	}
	for _, name := range []string{"kist", "kist-unwalled"} {
		must(b.t, os.Symlink(self, filepath.Join(dir, name)))
	}
	for _, profile := range []string{"minimal", "default"} {
		f := installs(b.t, 2**benchRuns, by("kist", profile), by("kist-unwalled", profile))
		b.report.row("Rust "+profile+", gz: wall with the sandbox / without it", ratio(f[0], f[1], wall), 1.03)
	}
}

// archives compares kist with mise, each fetching one archive and checking its digest.
func (b *benchmark) archives() {
	channel := b.published()
	for _, one := range []struct{ tool, version string }{{"node", b.tools.node}, {"go", b.tools.golang}} {
		env := b.miseEnv()
		f := installs(b.t, *benchRuns,
			b.kist("kist, "+one.tool, channel, "install", "tools/"+one.tool+"js@"+one.version),
			contender{name: "mise, " + one.tool,
				prepare: func() { env = b.miseEnv() },
				command: func() *exec.Cmd {
					return withEnv(exec.Command(b.tools.mise, "install", one.tool+"@"+one.version), env)
				}})
		b.report.row(one.tool+", tar.gz: wall / mise", ratio(f[0], f[1], wall), 0.6)
	}
}

// published makes a native channel of the archives that mise fetches.
func (b *benchmark) published() func(*home) {
	dir, h := filepath.Join(b.dir(), "channel"), b.home()
	must(b.t, os.Mkdir(dir, 0o755))
	h.must("publish", "init", dir, "--channel", "tools")
	for name, archive := range map[string][2]string{"nodejs": {b.tools.nodeArchive(), b.tools.node}, "gojs": {b.tools.goArchive(), b.tools.golang}} {
		h.must("publish", "add", dir, "--tool", name, "--version", archive[1], "--platform", "linux/amd64", "--file", archive[0],
			"--format", "tar.gz", "--strip", "1", "--command", "bin/*")
	}
	h.must("publish", "sign", dir, "--secret-key", b.signer.secretKey())
	rel, err := filepath.Rel(*benchData, dir)
	must(b.t, err)
	return func(h *home) {
		h.must("channel", "add", "tools", b.web.http+filepath.ToSlash(rel), "--key", b.signer.publicKey())
	}
}

// miseEnv is a home in which mise installs from the mirror. It lists the
// versions of Go from a repository's tags.
func (b *benchmark) miseEnv() []string {
	dir := b.dir()
	repo := filepath.Join(dir, "gorepo")
	for _, args := range [][]string{{"init", "-q", repo}, {"-C", repo, "-c", "user.email=b@example.invalid", "-c", "user.name=b", "commit", "-q", "--allow-empty", "-m", "x"},
		{"-C", repo, "tag", "go" + b.tools.golang}} {
		tool(b.t, "git", args...)
	}
	return []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "MISE_YES=1",
		"MISE_NODE_MIRROR_URL=" + b.web.http + "node/", "MISE_GO_DOWNLOAD_MIRROR=" + b.web.http + "go", "MISE_GO_REPO=file://" + repo,
		"MISE_USE_VERSIONS_HOST=0", "MISE_USE_VERSIONS_HOST_TRACK=0", "MISE_NODE_VERIFY=0"} // it checks the digest still
}

// nothing measures an install of an installed release.
func (b *benchmark) nothing() {
	h, env, mise := b.home(), b.rustupEnv("gz"), b.miseEnv()
	b.variant("gz", "gz")
	b.mirrored("gz")(h)
	h.must("install", "mirror/rust")
	must(b.t, withEnv(exec.Command("rustup", rustupInstall("minimal")...), env).Run())
	must(b.t, withEnv(exec.Command(b.tools.mise, "install", "node@"+b.tools.node), mise).Run())
	f := contest(b.t, 3**benchRuns,
		contender{name: "kist", command: func() *exec.Cmd { return h.command("install", "mirror/rust") }},
		contender{name: "rustup", command: func() *exec.Cmd { return withEnv(exec.Command("rustup", rustupInstall("minimal")...), env) }},
		contender{name: "mise", command: func() *exec.Cmd {
			return withEnv(exec.Command(b.tools.mise, "install", "node@"+b.tools.node), mise)
		}})
	b.report.row("nothing to do: wall / rustup", ratio(f[0], f[1], wall), 0.1)
	b.report.row("nothing to do: wall / mise", ratio(f[0], f[2], wall), 0.5)
}

// commands measures the overhead of each program on a command of the toolchain.
func (b *benchmark) commands() {
	h, env := b.home(), b.rustupEnv("gz")
	b.variant("gz", "gz")
	b.mirrored("gz")(h)
	h.must("install", "mirror/rust")
	must(b.t, withEnv(exec.Command("rustup", rustupInstall("minimal")...), env).Run())
	tenTimes := func(env []string, command string) func() *exec.Cmd {
		return func() *exec.Cmd {
			return withEnv(exec.Command("sh", "-c", strings.Repeat(command+" --version;", 10)), env)
		}
	}
	direct := filepath.Join(h.data("toolchains", "mirror", "rust", b.rust.version), "bin", "cargo")
	proxy := strings.TrimSpace(tool(b.t, "sh", "-c", "command -v cargo"))
	debian := b.launched(direct)
	f := contest(b.t, *benchRuns,
		contender{name: "cargo, ten times", command: tenTimes(h.env, direct)},
		contender{name: "by its link", command: tenTimes(h.env, h.path(".local", "bin", "cargo"))},
		contender{name: "by kist run", command: tenTimes(h.env, b.program+" run rust -- cargo")},
		contender{name: "by a launcher", command: tenTimes(debian.env, debian.data("toolchains", "debian", "ninja", "1.0", "kist", "bin", "ninja"))},
		contender{name: "by a launcher's link", command: tenTimes(debian.env, debian.path(".local", "bin", "ninja"))},
		contender{name: "by rustup's proxy", command: tenTimes(append(env, "RUSTUP_TOOLCHAIN=stable"), proxy)})
	added := func(i int) float64 { return median(column(f[i], wall)) - median(column(f[0], wall)) }
	b.report.row("a default version's command: time added / rustup's proxy", added(1)/added(5), 0.05)
	b.report.row("a launcher by its path: time added / rustup's proxy", added(3)/added(5), 0.3)
	b.report.row("a launcher by its link: time added / rustup's proxy", added(4)/added(5), 0.3)
	b.report.row("kist run: time added / rustup's proxy", added(2)/added(5), 0.3)
}

// launched returns a home whose program is what a distribution calls ninja: a launcher
// starts it with the libraries that it needs.
func (b *benchmark) launched(program string) *home {
	libraries := map[string]string{}
	for _, word := range strings.Fields(tool(b.t, "ldd", program)) {
		if filepath.IsAbs(word) {
			libraries["usr/lib/"+map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]+"-linux-gnu/"+filepath.Base(word)] = takeFile(b.t, word)
		}
	}
	key := verifytest.NewKey(b.t, "archive", time.Now().AddDate(0, 0, -2))
	s := manifesttest.Suite{Name: "bookworm", Issued: time.Now().AddDate(0, 0, -1), Signers: []*verifytest.Key{key}, Packages: []manifesttest.Deb{
		{Package: "ninja-build", Version: "1.0", Fields: map[string]string{"Depends": "libc6"}, Files: map[string]string{"usr/bin/ninja": takeFile(b.t, program)}},
		{Package: "libc6", Version: "2.36-9", Files: libraries},
	}}
	dir := b.dir()
	for name, data := range s.Publish(b.t) {
		write(b.t, filepath.Join(dir, name), string(data), 0o644)
	}
	write(b.t, filepath.Join(dir, "archive.asc"), string(key.Public(b.t)), 0o644)
	h := b.home()
	h.must("channel", "add", "debian", "file://"+dir+"/dists/bookworm/", "--format", "debian", "--key", filepath.Join(dir, "archive.asc"))
	h.must("install", "debian/ninja")
	return h
}

// removals measures the removal of Rust with its documentation.
func (b *benchmark) removals() {
	b.variant("gz", "gz")
	// A file that changed within two seconds of its receipt is hashed, to be sure.
	settled := func(h *home) {
		b.mirrored("gz")(h)
		h.must("install", "mirror/rust", "--profile", "default")
		time.Sleep(3 * time.Second)
	}
	var tree string
	f := contest(b.t, *benchRuns,
		b.kist("kist uninstall", settled, "uninstall", "rust"),
		contender{name: "rm -rf",
			prepare: func() { h := b.home(); settled(h); tree = h.data("prefixes") },
			command: func() *exec.Cmd { return exec.Command("rm", "-rf", tree) }})
	b.report.row("uninstall, with all of Rust's documentation: wall / rm -rf", ratio(f[0], f[1], wall), 1.3)
}

// manyFiles compares kist with GNU tar for small files, and measures how the time grows.
func (b *benchmark) manyFiles() {
	var seconds []float64
	for _, n := range []int{10_000, 100_000} {
		archive := filepath.Join(b.dir(), fmt.Sprintf("files-%d.tar", n))
		create(b.t, archive, func(out io.Writer) { smallFiles(b.t, out, n) })
		dir, h := filepath.Join(b.dir(), "channel"), b.home()
		must(b.t, os.Mkdir(dir, 0o755))
		h.must("publish", "init", dir, "--channel", "many")
		h.must("publish", "add", dir, "--tool", "many", "--version", "1.0", "--platform", "any", "--file", archive, "--format", "tar", "--strip", "1", "--command", "run")
		h.must("publish", "sign", dir, "--secret-key", b.signer.secretKey())
		var into string
		f := installs(b.t, *benchRuns,
			b.kist(fmt.Sprintf("kist, %d files", n), func(h *home) { h.must("channel", "add", "many", dir, "--key", b.signer.publicKey()) }, "install", "many/many"),
			contender{name: fmt.Sprintf("tar, %d files", n),
				prepare: func() { into = b.dir() },
				command: func() *exec.Cmd { return exec.Command("tar", "-C", into, "-xf", archive) }})
		seconds = append(seconds, median(column(f[0], wall)))
		if n == 100_000 {
			b.report.row("100,000 files: wall / GNU tar", ratio(f[0], f[1], wall), 1.1)
		}
	}
	b.report.row("from 10,000 to 100,000 files: growth", seconds[1]/seconds[0], 11)
}
