//go:build interop

package main

import (
	"archive/tar"
	"compress/gzip"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"oras.land/oras-go/v2"
	ocilayout "oras.land/oras-go/v2/content/oci"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
)

// A realRegistry is Debian's docker-registry: the implementation of CNCF Distribution.
type realRegistry struct {
	host, conf, storage string
	ca                  string // of its certificate; empty for http
}

// startRegistry starts a docker-registry. With login, it speaks https and wants loginUser.
func startRegistry(t *testing.T, login bool) realRegistry {
	t.Helper()
	work := commonDir(t)
	r := realRegistry{host: freeAddress(t), conf: filepath.Join(work, "registry.yml"), storage: filepath.Join(work, "storage")}
	more := ""
	if login {
		r.ca = certificates(t, work)
		users := filepath.Join(work, "users")
		write(t, users, tool(t, "htpasswd", "-nbBC", "5", loginUser, loginPassword), 0o600)
		more = fmt.Sprintf("  tls:\n    certificate: %s/server.pem\n    key: %[1]s/server.key\nauth:\n  htpasswd:\n    realm: x\n    path: %[2]s\n", work, users)
	}
	write(t, r.conf, fmt.Sprintf(`version: 0.1
log:
  level: error
storage:
  filesystem:
    rootdirectory: %s
  delete:
    enabled: true
http:
  addr: %s
%s`, r.storage, r.host, more), 0o600)
	startServer(t, r.host, "docker-registry", "serve", r.conf)
	return r
}

// login returns h with the registry's certificate authority, and the login in the file that
// docker login writes.
func (r realRegistry) login(h *home) *home {
	auth := base64.StdEncoding.EncodeToString([]byte(loginUser + ":" + loginPassword))
	write(h.t, h.path(".docker", "config.json"), fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, r.host, auth), 0o600)
	return h.with("SSL_CERT_FILE=" + r.ca)
}

// largeArchive writes an archive of a tool, of size bytes that cannot be compressed.
func largeArchive(t *testing.T, file, name, version string, size int) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, _ := gzip.NewWriterLevel(f, gzip.NoCompression)
	w := tar.NewWriter(z)
	add := func(path string, data []byte, mode int64) {
		w.WriteHeader(&tar.Header{Name: path, Mode: mode, Size: int64(len(data)), Typeflag: tar.TypeReg, Format: tar.FormatUSTAR})
		w.Write(data)
	}
	add(name+"-"+version+"/bin/"+name, []byte("#!/bin/sh\necho "+name+" "+version+"\n"), 0o755)
	data := make([]byte, size)
	rand.NewChaCha8([32]byte{1}).Read(data)
	add(name+"-"+version+"/lib/data", data, 0o644)
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
}

// repositoryOf returns a repository as another implementation of the protocol sees it.
func repositoryOf(t *testing.T, name, ca string) *remote.Repository {
	t.Helper()
	repository, err := remote.NewRepository(name)
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Transport{}
	if repository.PlainHTTP = ca == ""; ca != "" {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM([]byte(takeFile(t, ca)))
		web.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	repository.Client = &auth.Client{Client: &http.Client{Transport: web},
		Credential: auth.StaticCredential(repository.Reference.Registry, auth.Credential{Username: loginUser, Password: loginPassword})}
	return repository
}

// TestRegistry pushes a channel to a docker-registry that wants https and a login, and uses
// it from there: large blobs in chunks, what the registry's own collector of garbage leaves,
// and copies of it that another program makes.
func TestRegistry(t *testing.T) {
	program, dir, acme := build(t), commonDir(t), newSigner(t, "ed25519")
	registry := startRegistry(t, true)
	publisher, user := newHome(t, program), newHome(t, program)
	at := "oci://" + registry.host + "/acme/tools"
	publishHello(t, publisher, dir, acme, "1.0")
	large := filepath.Join(commonDir(t), "large-1.0.tar.gz")
	largeArchive(t, large, "large", "1.0", 40<<20)
	publisher.must("publish", "add", dir, large, "--platform", "any", "--strip", "1", "--command", "bin/large")
	publisher.must("publish", "sign", dir, "--secret-key", acme.secretKey())

	// Without the authority, or without a login, nothing is sent.
	contains(t, publisher.exits(6, "publish", "push", dir, at).stderr, "certificate")
	refused := publisher.with("SSL_CERT_FILE="+registry.ca).exits(6, "publish", "push", dir, at)
	contains(t, refused.stderr, "401 Unauthorized")
	contains(t, refused.stderr, "(?m)^hint: if it wants a login, use docker login or podman login")

	publisher, user = registry.login(publisher), registry.login(user)
	start := time.Now()
	contains(t, publisher.must("publish", "push", dir, at), `(?m)^sent 4 files`)
	t.Logf("pushed in %v", time.Since(start))
	contains(t, publisher.must("publish", "push", dir, at), `is in oci://.* already`)
	user.must("channel", "add", "acme", at, "--key", acme.publicKey())
	user.must("install", "hello", "large")
	contains(t, user.must("run", "large"), "^large 1.0")
	user.must("verify", "--evidence")

	publishHello(t, publisher, dir, acme, "1.0", "1.1")
	contains(t, publisher.must("publish", "push", dir, at), `(?m)^sent 3 files, .*; 2 were there already$`)
	contains(t, user.must("update"), "from 1.0 to 1.1")
	withoutSecret(t, user.path(".local"))
	withoutSecret(t, user.path(".cache"))

	// Nothing of the channel is unused in the registry's eyes.
	tool(t, "docker-registry", "garbage-collect", registry.conf)
	fresh := registry.login(newHome(t, program))
	fresh.must("channel", "add", "acme", at, "--key", acme.publicKey())
	fresh.must("install", "hello@1.0", "hello@1.1", "large")

	// A copy of the tag is the whole channel, byte for byte, by way of a directory.
	copied := startRegistry(t, false)
	there := copied.host + "/copy/tools"
	from, to := repositoryOf(t, strings.TrimPrefix(at, "oci://"), registry.ca), repositoryOf(t, there, "")
	layout, err := ocilayout.New(filepath.Join(commonDir(t), "layout"))
	if err != nil {
		t.Fatal(err)
	}
	first, err := oras.Copy(t.Context(), from, "head", layout, "head", oras.DefaultCopyOptions)
	if err != nil {
		t.Fatal(err)
	}
	second, err := oras.Copy(t.Context(), layout, "head", to, "head", oras.DefaultCopyOptions)
	if err != nil || first.Digest != second.Digest {
		t.Fatalf("%v, then %v: %v", first.Digest, second.Digest, err)
	}
	other := newHome(t, program)
	other.must("channel", "add", "acme", "oci://"+there, "--key", acme.publicKey())
	other.must("install", "hello@1.0", "hello", "large")
	fresh.must("channel", "set-url", "acme", "oci://"+there)
}

// A fleet is homes that use one server, and a count of what they ask and get.
type fleet struct {
	*testing.T
	homes          []*home
	address        string // of the server, as the homes see it
	requests, sent atomic.Int64
}

// newFleet returns homes in which kist asks the server at an address.
func newFleet(t *testing.T, program, server string, homes int) *fleet {
	t.Helper()
	f := &fleet{T: t}
	counter := httptest.NewUnstartedServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			f.requests.Add(1)
			r.SetURL(&url.URL{Scheme: "http", Host: server})
		},
	})
	counter.Listener = countingListener{counter.Listener, &f.sent}
	counter.Config.ErrorLog = log.New(io.Discard, "", 0)
	counter.Start()
	t.Cleanup(counter.Close)
	f.address = counter.Listener.Addr().String()
	for range homes {
		f.homes = append(f.homes, newHome(t, program))
	}
	return f
}

// each runs kist in every home, several at a time, and checks how many requests each of
// them made.
func (f *fleet) each(what string, want int64, args ...string) {
	f.Helper()
	f.requests.Store(0)
	f.sent.Store(0)
	var work errgroup.Group
	work.SetLimit(4 * runtime.NumCPU())
	for _, h := range f.homes {
		work.Go(func() error {
			if o := h.kist(args...); o.code != 0 {
				return fmt.Errorf("kist %s: %v", strings.Join(args, " "), o)
			}
			return nil
		})
	}
	if err := work.Wait(); err != nil {
		f.Fatal(err)
	}
	f.Logf("%-36s %5d requests, %9d bytes", what, f.requests.Load(), f.sent.Load())
	if got, homes := f.requests.Load(), int64(len(f.homes)); got != want*homes {
		f.Errorf("%s: %d requests of %d homes, want %d each", what, got, homes, want)
	}
}

// TestRegistryFleet has homes use a channel of 500 releases, and then 501, in one registry,
// and as many others the same channel on nginx, and counts what they ask and get: 20 homes,
// and 200 with the tag benchmark, which gives the table in docs/fleet.md.
// docs/fleet.md has these figures.
func TestRegistryFleet(t *testing.T) {
	const releases = 500
	program, dir, acme := build(t), commonDir(t), newSigner(t, "ed25519")
	registry, web, publisher := startRegistry(t, false), startNginx(t, dir), newHome(t, program)
	to := "oci://" + registry.host + "/acme/tools"
	var versions []string
	for n := range releases + 1 {
		versions = append(versions, fmt.Sprintf("1.%d", n))
	}
	byHand(t, dir, acme, 1, 1, versions[:releases]...)
	contains(t, publisher.must("publish", "push", dir, to, "--key", acme.publicKey()), `(?m)^sent 502 files`)

	inRegistry := newFleet(t, program, registry.host, homes)
	onNginx := newFleet(t, program, strings.Trim(strings.TrimPrefix(web.http, "http:"), "/"), homes)
	inRegistry.each("registry: channel add", 4, "channel", "add", "acme", "oci://"+inRegistry.address+"/acme/tools", "--key", acme.publicKey())
	onNginx.each("nginx: channel add", 3, "channel", "add", "acme", "http://"+onNginx.address+"/", "--key", acme.publicKey())
	inRegistry.each("registry: install", 2, "install", "hello")
	onNginx.each("nginx: install", 3, "install", "hello")
	inRegistry.each("registry: outdated, unchanged", 1, "outdated")
	onNginx.each("nginx: outdated, unchanged", 2, "outdated")

	byHand(t, dir, acme, 2, 1, versions...)
	contains(t, publisher.must("publish", "push", dir, to, "--key", acme.publicKey()), `(?m)^sent 3 files, .*; 500 were there already$`)
	inRegistry.each("registry: update to a new release", 5, "update")
	onNginx.each("nginx: update to a new release", 4, "update")
	inRegistry.each("registry: update, unchanged", 1, "update")
	onNginx.each("nginx: update, unchanged", 2, "update")
	for _, h := range append(inRegistry.homes[:10:10], onNginx.homes[:10]...) {
		contains(t, h.must("run", "hello"), "hello 1.500")
	}
}
