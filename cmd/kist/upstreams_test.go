//go:build unix

package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/manifests/upstreams"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/keyrings"
	"github.com/kist-tools/kist/verify/verifytest"
)

// TestUpstreamTable prints for every upstream what was really done here with it
// (go test -run TestUpstreamTable -v ./cmd/kist):
//
//	KEY      its real key is built in, and this copy of it lets it sign today
//	FIXTURE  something real that it signed was proved by that key
//	INSTALL  it was installed from a loopback copy of its layout, signed by a test key
//	WITNESS  an old release, validly signed, under the name of a new one was refused
//	RUN      its program was run by kist run, and said its version
//
// With -short it tries one upstream of each format.
func TestUpstreamTable(t *testing.T) {
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "UPSTREAM\tKEY\tFIXTURE\tINSTALL\tWITNESS\tRUN")
	formats := map[string]bool{}
	for _, row := range upstreamRows() {
		if testing.Short() && formats[row.format] {
			continue
		}
		formats[row.format] = true
		u := &upstreamTrial{tool: row.tool, format: row.format, key: verifytest.NewKey(t, "release", trialDay.AddDate(-1, 0, 0))}
		key, install, witness, run := u.realKey(t), u.install(t), u.refusesOld(t), u.run(t)
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", row.tool, tick(key), tick(u.fixture(t)), tick(install), tick(witness), tick(run))
		if key && !trust.IsBuiltin(row.tool) || !install || !witness || !run {
			t.Errorf("%s: key %v, install %v, witness %v, run %v", row.tool, key, install, witness, run)
		}
	}
	w.Flush()
	t.Log("\n" + table.String())
}

func tick(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

var trialDay = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

type upstreamRow struct{ tool, format string }

// upstreamRows returns all rows of the table, including those without built-in keys.
func upstreamRows() (rows []upstreamRow) {
	for _, format := range upstreams.MirrorFormats() {
		for _, tool := range upstreams.MirrorTools(format) {
			rows = append(rows, upstreamRow{tool, format})
		}
	}
	for _, tool := range trust.BuiltinTools() {
		if !slices.ContainsFunc(rows, func(r upstreamRow) bool { return r.tool == tool }) {
			rows = append(rows, upstreamRow{tool, "rust"})
		}
	}
	slices.SortFunc(rows, func(a, b upstreamRow) int { return strings.Compare(a.tool, b.tool) })
	return rows
}

// upstreamTrial tries one upstream in its own home.
type upstreamTrial struct {
	tool, format string
	key          *verifytest.Key
	env          cli.Env
	out, talk    *bytes.Buffer
	files        map[string][]byte // served, by path
	url          string
}

func (u *upstreamTrial) realKey(t *testing.T) bool {
	channel, ok := trust.BuiltinChannel(u.tool)
	row, _ := upstreams.Lookup(channel)
	for _, o := range row.Origins {
		if o.Keyring == "" {
			continue
		}
		ring, err := keyrings.Lookup(o.Keyring)
		if err != nil {
			t.Error(err)
			return false
		}
		// Of an upstream that signs with subkeys, one of those.
		ok = ok && slices.ContainsFunc(ring.Certificates(), func(c verify.Certificate) bool {
			signs := func(k verify.Key) bool { return k.Signs && (k.Expires.IsZero() || k.Expires.After(trialDay)) }
			return len(c.Subkeys) == 0 && signs(c.Key) || slices.ContainsFunc(c.Subkeys, signs)
		})
	}
	return ok
}

// fixture proves a real signature by the built-in keys, if one is available.
func (u *upstreamTrial) fixture(t *testing.T) bool {
	at := map[string]struct {
		data, sig string
		use       verify.Use
		when      time.Time
	}{
		"node":      {"node-v20.11.0-SHASUMS256.txt", "node-v20.11.0-SHASUMS256.txt.sig", verify.Release, trialDay},
		"terraform": {"terraform_1.14.9_SHA256SUMS", "terraform_1.14.9_SHA256SUMS.sig", verify.Release, trialDay},
		"rust":      {"rust-2019-09-26.toml.gz", "rust-2019-09-26.toml.asc", verify.Manifest, trialDay},
	}[u.tool]
	if at.data == "" {
		return false
	}
	channel, _ := trust.BuiltinChannel(u.tool)
	row, _ := upstreams.Lookup(channel)
	ring, err := keyrings.Lookup(row.Origins[0].Keyring)
	if err != nil {
		t.Fatal(err)
	}
	sample := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join("../../verify/testdata", name))
		if err == nil && strings.HasSuffix(name, ".gz") {
			var z *gzip.Reader
			if z, err = gzip.NewReader(bytes.NewReader(data)); err == nil {
				data, err = io.ReadAll(z)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	policy := verify.Policy{Keys: ring, Threshold: 1, Now: at.when, Use: at.use}
	if _, err := policy.Detached(at.data, sample(at.data), sample(at.sig)); err != nil {
		t.Errorf("%s: %v", at.data, err)
		return false
	}
	return true
}

// The versions of a trial: an old one and the newest.
func (u *upstreamTrial) versions() (older, newer string) {
	if u.tool == "java" {
		return "21.0.4+7", "21.0.5+11"
	}
	return "1.94.0", "1.95.0"
}

// layout returns what the upstream publishes for these versions, newest first, signed a
// month ago.
func (u *upstreamTrial) layout(t *testing.T, versions ...string) map[string][]byte {
	if u.format == "rust" {
		return u.rustLayout(t, versions...)
	}
	var worlds []manifesttest.World
	for _, v := range versions {
		worlds = append(worlds, manifesttest.World{Version: v, Issued: trialDay.AddDate(0, -1, 0),
			Signers: []*verifytest.Key{u.key}, Signed: trialDay.AddDate(0, -1, 0)})
	}
	return manifesttest.Publish(t, u.tool, worlds...)
}

// rustLayout publishes versions as the Rust project does; the first is stable.
func (u *upstreamTrial) rustLayout(t *testing.T, versions ...string) map[string][]byte {
	files := map[string][]byte{}
	for i, v := range versions {
		date := trialDay.AddDate(0, -1-i, 0).Format(time.DateOnly)
		var parts []rustPart
		for _, host := range rustHosts() {
			parts = append(parts, smallPart("rustc", host, "", v, "bin/rustc"), smallPart("cargo", host, "", v, "bin/cargo"),
				smallPart("rust-std", host, "", v, "lib/rustlib/"+host+"/lib/libstd.rlib"))
		}
		for i := range parts {
			var b bytes.Buffer
			parts[i].pack(t, &b, v)
			files["dist/"+date+"/"+parts[i].file(v)] = b.Bytes()
		}
		manifest := []byte(rustManifest(v, date, rustHosts(), parts))
		for _, name := range []string{v, "stable"}[:2-min(i, 1)] {
			files["dist/channel-rust-"+name+".toml"] = manifest
			files["dist/channel-rust-"+name+".toml.asc"] = u.key.Sign(t, manifest, trialDay.AddDate(0, -1-i, 0))
		}
	}
	return files
}

// kist runs kist and returns its exit code; its output is in u.out and u.talk.
func (u *upstreamTrial) kist(args ...string) int {
	u.out.Reset()
	u.talk.Reset()
	u.env.Args = args
	return run(context.Background(), u.env)
}

// install adds the copy as a channel and installs the newest release from it.
func (u *upstreamTrial) install(t *testing.T) bool {
	u.env, u.out, u.talk = testEnv(t)
	u.env.Now = func() time.Time { return trialDay }
	u.env.Transport = webTransport(transport.Config{Version: "test"})
	u.env.Exec = func(path string, argv, environ []string) (int, error) {
		cmd := exec.Command(path, argv[1:]...)
		cmd.Env, cmd.Stdout = environ, u.out
		err := cmd.Run()
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return exit.ExitCode(), nil
		}
		return 0, err
	}
	older, newer := u.versions()
	u.files = u.layout(t, newer, older)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, ok := u.files[strings.TrimPrefix(r.URL.Path, "/")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}))
	t.Cleanup(server.Close)
	u.url = server.URL + "/"
	if u.format == "rust" {
		u.url += "dist/channel-rust-stable.toml"
	}
	keys := filepath.Join(t.TempDir(), "release.asc")
	if err := os.WriteFile(keys, u.key.Public(t), 0o600); err != nil {
		t.Fatal(err)
	}
	add := []string{"channel", "add", "copy", u.url, "--format", u.format, "--key", keys}
	if u.format != "rust" {
		add = append(add, "--tools", u.tool)
	}
	for _, args := range [][]string{add, {"install", "copy/" + u.tool}, {"verify", "copy/" + u.tool}} {
		if code := u.kist(args...); code != 0 {
			t.Errorf("kist %s: exit code %d\n%s%s", strings.Join(args, " "), code, u.out, u.talk)
			return false
		}
	}
	return u.kist("list", "copy/"+u.tool+"@"+newer) == 0
}

// refusesOld serves the old release, validly signed, under a new name.
func (u *upstreamTrial) refusesOld(t *testing.T) bool {
	older, newer := u.versions()
	forged := map[string][]byte{}
	swap := strings.NewReplacer(older, newer, strings.ReplaceAll(older, "+", "_"), strings.ReplaceAll(newer, "+", "_"),
		"/1.94/", "/1.95/", "channel-rust-"+older, "channel-rust-"+newer)
	for name, data := range u.layout(t, older) {
		forged[swap.Replace(name)] = data
	}
	honest := u.files
	defer func() { u.files = honest }()
	if code := u.kist("uninstall", "copy/"+u.tool); code != 0 {
		t.Errorf("uninstall: %d\n%s", code, u.talk)
		return false
	}
	u.files = forged
	if code := u.kist("install", "copy/"+u.tool+"@"+newer); code != 4 {
		t.Errorf("%s %s as %s: exit code %d\n%s%s", u.tool, older, newer, code, u.out, u.talk)
		return false
	}
	u.files = honest
	return u.kist("install", "copy/"+u.tool+"@"+newer) == 0
}

// run runs the toolchain's first program.
func (u *upstreamTrial) run(t *testing.T) bool {
	program := map[string]string{"rust": "rustc", "llvm": "clang", "maven": "mvn"}[u.tool]
	if program == "" {
		program = u.tool
	}
	_, newer := u.versions()
	if code := u.kist("run", "copy/"+u.tool, "--", program); code != 0 || !strings.Contains(u.out.String(), newer) {
		t.Errorf("kist run copy/%s -- %s: exit code %d\n%s%s", u.tool, program, code, u.out, u.talk)
		return false
	}
	return true
}
