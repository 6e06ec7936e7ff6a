package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/manifests/publish/push"
	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/manifests/transport/oci"
	"github.com/kist-tools/kist/manifests/transport/oci/ocitest"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

// A fleetChannel is a channel of many tools on a server that counts what it sends. Each
// tool has ten versions for three platforms: with 50 tools, the manifest has about 0.4 MB.
type fleetChannel struct {
	url   string
	tools []string
	key   *verifytest.Key
	now   time.Time

	mu     sync.Mutex
	files  map[string][]byte // by path
	serial uint64

	registry *ocitest.Registry // that has the channel; nil: a web server has it

	documents, artifacts atomic.Int64 // requests
	sent                 atomic.Int64 // bytes, with the headers
}

func newFleetChannel(t *testing.T, tools int, now time.Time) *fleetChannel {
	c := &fleetChannel{key: verifytest.NewKey(t, "fleet", now.AddDate(-1, 0, 0)), now: now, files: map[string][]byte{}}
	for n := range tools {
		c.tools = append(c.tools, fmt.Sprintf("tool%03d", n))
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(c.serve))
	server.Listener = countingListener{server.Listener, &c.sent}
	server.Start()
	t.Cleanup(server.Close)
	c.url = server.URL + "/"
	c.publish(t, 10)
	return c
}

// publishKeys publishes a keys document.
func (c *fleetChannel) publishKeys(t *testing.T) {
	t.Helper()
	k := &native.Keys{Channel: "fleet", Version: 1, Issued: c.now.Add(-time.Hour), Expires: c.now.AddDate(0, 0, 30), Threshold: 1,
		Certificates: [][]byte{c.key.Public(t)}}
	data, err := k.Encode()
	if err != nil {
		t.Fatal(err)
	}
	c.files["/keys.toml"], c.files["/keys.toml.asc"] = data, verifytest.Cosign(t, data, c.now.Add(-time.Minute), c.key)
}

// publish publishes versions 1.0.0 to 1.0.<newest> of every tool.
func (c *fleetChannel) publish(t *testing.T, newest int) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.serial++
	m := &native.Manifest{Channel: "fleet", Serial: c.serial, Issued: c.now.Add(-time.Minute), Expires: c.now.AddDate(0, 0, 30)}
	for _, tool := range c.tools {
		for version := newest; version > newest-10; version-- {
			r := native.Release{Tool: tool, Version: fmt.Sprintf("1.0.%d", version), Commands: []string{"bin/" + tool}}
			for _, arch := range []string{"amd64", "arm64", "riscv64"} {
				name := fmt.Sprintf("blobs/%s-%s-linux-%s", tool, r.Version, arch)
				content := []byte("#!/bin/sh\necho " + name + "\n")
				c.files["/"+name] = content
				r.Artifacts = append(r.Artifacts, native.Artifact{Platform: manifests.Platform{OS: "linux", Arch: arch}, Component: tool,
					Path: name, Size: int64(len(content)), SHA256: verify.DigestOf(content), Format: "file"})
			}
			m.Releases = append(m.Releases, r)
		}
	}
	data, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	c.files["/channel.toml"], c.files["/channel.toml.asc"] = data, verifytest.Cosign(t, data, c.now, c.key)
	if c.registry != nil {
		c.push(t)
	}
}

// moveToRegistry makes a registry serve the channel instead of the web server.
func (c *fleetChannel) moveToRegistry(t *testing.T) {
	t.Helper()
	c.registry = ocitest.New()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, digest, isBlob := strings.Cut(r.URL.Path, "/blobs/sha256:")
		if isBlob && digest != verify.DigestOf(c.files["/channel.toml"]).Hex() && digest != verify.DigestOf(c.files["/channel.toml.asc"]).Hex() {
			c.artifacts.Add(1)
		} else {
			c.documents.Add(1)
		}
		c.registry.ServeHTTP(w, r)
	}))
	server.Listener = countingListener{server.Listener, &c.sent}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(server.Close)
	c.url = "oci://" + server.Listener.Addr().String() + "/fleet"
	c.push(t)
}

// push sends the channel to its registry.
func (c *fleetChannel) push(t *testing.T) {
	t.Helper()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := root.Mkdir("blobs", 0o700); err != nil {
		t.Fatal(err)
	}
	for name, data := range c.files {
		if err := root.WriteFile(strings.TrimPrefix(name, "/"), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d := publish.Dir{Root: root}
	report, err := d.Verify(publish.Verification{Now: c.now, Threshold: 1, Keys: [][]byte{c.key.Public(t)}})
	if err != nil {
		t.Fatal(err)
	}
	at, err := manifests.ParseRegistryRef(c.url)
	if err != nil {
		t.Fatal(err)
	}
	to := oci.New(transport.Config{Version: "test"}).Repository(at)
	if _, err := (push.Push{Dir: d, Report: report, To: to, Tag: at.Tag, Jobs: 4}).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (c *fleetChannel) serve(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/blobs/") {
		c.artifacts.Add(1)
	} else {
		c.documents.Add(1)
	}
	c.mu.Lock()
	data, ok := c.files[r.URL.Path]
	c.mu.Unlock()
	tag := fmt.Sprintf("%q", verify.DigestOf(data).Hex())
	switch {
	case !ok:
		http.NotFound(w, r)
	case r.Header.Get("If-None-Match") == tag:
		w.WriteHeader(http.StatusNotModified)
	default:
		w.Header().Set("ETag", tag)
		w.Write(data)
	}
}

// A countingListener counts the bytes that its connections send.
type countingListener struct {
	net.Listener
	sent *atomic.Int64
}

func (l countingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return countingConn{conn, l.sent}, err
}

type countingConn struct {
	net.Conn
	sent *atomic.Int64
}

func (c countingConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.sent.Add(int64(n))
	return n, err
}

// A member is a machine of the fleet that has added the channel.
type member struct {
	*testing.T
	channel *fleetChannel
	home    string
}

func newMember(t *testing.T, c *fleetChannel) member {
	t.Helper()
	m := member{t, c, t.TempDir()}
	key := filepath.Join(m.home, "key.asc")
	if err := os.WriteFile(key, c.key.Public(t), 0o600); err != nil {
		t.Fatal(err)
	}
	documents := int64(3)                                  // keys.toml, which may be missing, the manifest, and its signatures
	if c.files["/keys.toml"] != nil || c.registry != nil { // or the tag, its manifest, the manifest and its signatures
		documents = 4
	}
	m.costs("channel add", documents, 0, len(c.files["/channel.toml"])+16<<10, "channel", "add", "fleet", c.url, "--key", key)
	return m
}

// costs runs kist and checks how many requests for documents and for artifacts it sends,
// and that at most these bytes come down for documents. Each artifact is counted as 1 kB.
func (m member) costs(verb string, documents, artifacts int64, bytes int, args ...string) {
	m.Helper()
	c := m.channel
	c.documents.Store(0)
	c.artifacts.Store(0)
	c.sent.Store(0)
	if code, said := m.run(args...); code != 0 {
		m.Fatalf("kist %.60q: exit code %d: %s", args, code, said)
	}
	sent := c.sent.Load()
	m.Logf("%-24s %2d documents, %2d artifacts, %7d bytes", verb, c.documents.Load(), c.artifacts.Load(), sent)
	if got := c.documents.Load(); got != documents {
		m.Errorf("%s: %d requests for documents, want %d", verb, got, documents)
	}
	if got := c.artifacts.Load(); got != artifacts {
		m.Errorf("%s: %d requests for artifacts, want %d", verb, got, artifacts)
	}
	if ceiling := int64(bytes) + artifacts<<10; sent > ceiling {
		m.Errorf("%s: %d bytes, want at most %d", verb, sent, ceiling)
	}
}

// run runs kist, and returns its exit code and all that it printed.
func (m member) run(args ...string) (code int, said string) {
	m.Helper()
	c := m.channel
	env, out, talk := testEnv(m.T, args...)
	getenv := func(name string) string { return cmp.Or(map[string]string{"HOME": m.home}[name]) }
	env.Dirs, env.Now = host.ReadDirs(getenv, "linux"), func() time.Time { return c.now }
	env.Platform = manifests.Platform{OS: "linux", Arch: "amd64", Libc: "gnu"}
	env.Transport = webTransport(transport.Config{Version: "test"})
	code = run(context.Background(), env)
	return code, fmt.Sprint(out, talk)
}

// TestRequests checks what each verb fetches, however many tools it is about. The table
// in docs/fleet.md has these figures.
func TestRequests(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	t.Run("keys", func(t *testing.T) {
		c := newFleetChannel(t, 2, now)
		c.publishKeys(t)
		m := newMember(t, c)
		m.costs("install", 2, 2, 1<<10, append([]string{"install"}, c.tools...)...)
		m.costs("outdated", 2, 0, 1<<10, "outdated")
	})
	for _, n := range []int{1, 5, 50} {
		if n > 5 && testing.Short() {
			continue
		}
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			c := newFleetChannel(t, 50, now)
			m := newMember(t, c)
			tools := c.tools[:n]
			with := func(args ...string) []string { return append(args, tools...) }
			const unchanged = 1000 // bytes: 100,000 machines fetch less than 0.1 GB on a day without news
			whole := len(c.files["/channel.toml"]) + 3<<10

			m.costs("install -n", 2, 0, unchanged, with("install", "-n")...)
			m.costs("install", 2, int64(n), unchanged, with("install")...)
			m.costs("install again", 0, 0, 0, with("install")...)
			m.costs("outdated", 2, 0, unchanged, "outdated")
			m.costs("update", 2, 0, unchanged, "update")
			m.costs("list --available", 2, 0, unchanged, "list", "--available", tools[0])
			c.publish(t, 11)
			m.costs("outdated, new releases", 3, 0, whole, "outdated")
			m.costs("update, new releases", 2, int64(n), unchanged, "update")
			m.costs("update again", 2, 0, unchanged, "update")
			m.costs("verify --evidence", 0, 0, 0, with("verify", "--evidence")...)
			m.costs("channel refresh", 3, 0, whole, "channel", "refresh", "fleet")
		})
	}
}

// TestRegistryRequests is TestRequests for a channel in a registry.
func TestRegistryRequests(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	c := newFleetChannel(t, 50, now)
	c.moveToRegistry(t)
	m := newMember(t, c)
	tools := c.tools[:5]
	with := func(args ...string) []string { return append(args, tools...) }
	const unchanged = 1 << 10 // bytes
	whole := len(c.files["/channel.toml"]) + 16<<10
	m.costs("install -n", 1, 0, unchanged, with("install", "-n")...)
	m.costs("install", 1, 5, unchanged, with("install")...)
	m.costs("install again", 0, 0, 0, with("install")...)
	m.costs("outdated", 1, 0, unchanged, "outdated")
	m.costs("update", 1, 0, unchanged, "update")
	m.costs("list --available", 1, 0, unchanged, "list", "--available", tools[0])
	c.publish(t, 11)
	m.costs("outdated, new releases", 4, 0, whole, "outdated")
	m.costs("update, new releases", 1, 5, unchanged, "update")
	m.costs("update again", 1, 0, unchanged, "update")
	m.costs("verify --evidence", 0, 0, 0, with("verify", "--evidence")...)
	m.costs("channel refresh", 4, 0, whole, "channel", "refresh", "fleet")
}

// TestRegistryThatNeverChanges checks that a registry that says for ever that nothing has
// changed is believed until the manifest expires, and not longer.
func TestRegistryThatNeverChanges(t *testing.T) {
	c := newFleetChannel(t, 1, time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC))
	c.moveToRegistry(t)
	m := newMember(t, c)
	c.publish(t, 11)
	c.registry.SetTag("fleet", "head", c.registry.Tag("fleet", "serial-1"))
	c.registry.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		tag := r.Header.Get("If-None-Match")
		if tag != "" {
			w.Header().Set("ETag", tag)
			w.WriteHeader(http.StatusNotModified)
		}
		return tag != ""
	}
	m.costs("install", 1, 1, 2<<10, "install", c.tools[0]+"@=1.0.10")
	c.now = c.now.AddDate(0, 0, 40)
	if code, said := m.run("list", "--available", c.tools[0]); code != 5 || !strings.Contains(said, "expired") {
		t.Errorf("after it expired: %d: %s", code, said)
	}
	c.registry.Answer = nil
	c.publish(t, 12)
	m.costs("list --available", 4, 0, len(c.files["/channel.toml"])+16<<10, "list", "--available", c.tools[0])
}
