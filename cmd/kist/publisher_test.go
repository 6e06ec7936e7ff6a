//go:build interop || live || signed || benchmark

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// signer is a person with a key in GnuPG.
type signer struct {
	t    *testing.T
	home string
	uid  string
}

// newSigner makes a key that signs: algorithm as gpg names it, "ed25519" or "rsa3072".
func newSigner(t *testing.T, algorithm string) signer {
	t.Helper()
	home, err := os.MkdirTemp("", "gpg-") // short: a socket goes there
	if err != nil {
		t.Fatal(err)
	}
	s := signer{t, home, "Acme Tools <tools@acme.example>"}
	t.Cleanup(func() {
		exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		os.RemoveAll(home)
	})
	s.gpg("--quick-generate-key", s.uid, algorithm, "sign", "3y")
	return s
}

func (s signer) gpg(args ...string) string {
	s.t.Helper()
	return tool(s.t, "gpg", append([]string{"--homedir", s.home, "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""}, args...)...)
}

// publicKey is a file with the armored certificate.
func (s signer) publicKey() string {
	name := filepath.Join(s.home, "public.asc")
	write(s.t, name, s.gpg("--armor", "--export", s.uid), 0o644)
	return name
}

// secretKey is a file with the armored, unprotected secret key.
func (s signer) secretKey() string {
	name := filepath.Join(s.home, "secret.asc")
	write(s.t, name, s.gpg("--armor", "--export-secret-keys", s.uid), 0o600)
	return name
}

// sign makes file.asc, one armored detached signature.
func (s signer) sign(file string) string {
	s.t.Helper()
	out := file + ".asc"
	s.gpg("--yes", "--armor", "--output", out, "--detach-sign", file)
	return out
}

// hello returns the archive of a small toolchain: one program that prints hello and the
// version, and a number of further files.
func hello(version string, files int) []byte {
	var out bytes.Buffer
	z, _ := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	w := tar.NewWriter(z)
	add := func(name, content string, mode int64) {
		w.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(content)), Typeflag: tar.TypeReg, Format: tar.FormatUSTAR})
		w.Write([]byte(content))
	}
	add("hello-"+version+"/bin/hello", "#!/bin/sh\necho hello "+version+"\n", 0o755)
	w.WriteHeader(&tar.Header{Name: "hello-" + version + "/bin/hi", Linkname: "hello", Typeflag: tar.TypeSymlink, Format: tar.FormatUSTAR})
	for i := range files {
		add(fmt.Sprintf("hello-%s/lib/%03d/%05d.txt", version, i/100, i), strings.Repeat(fmt.Sprintf("line of %d\n", i), 40), 0o644)
	}
	w.Close()
	z.Close()
	return out.Bytes()
}

// byHand writes a channel called acme into dir, as a person with a text editor and gpg
// would: hello in these versions, each with a number of files.
func byHand(t *testing.T, dir string, s signer, serial, files int, versions ...string) {
	t.Helper()
	var toml strings.Builder
	now := time.Now().UTC()
	fmt.Fprintf(&toml, "format  = 1\nchannel = \"acme\"\nserial  = %d\nissued  = %s\nexpires = %s\n",
		serial, now.Format(time.RFC3339), now.AddDate(0, 0, 30).Format(time.RFC3339))
	for _, version := range versions {
		archive := hello(version, files)
		name := "blobs/hello-" + version + ".tar.gz"
		write(t, filepath.Join(dir, name), string(archive), 0o644)
		fmt.Fprintf(&toml, `
[[release]]
tool     = "hello"
version  = %q
commands = ["bin/*"]

  [[release.artifact]]
  platform = "any"
  path     = %q
  size     = %d
  sha256   = "%x"
  format   = "tar.gz"
  strip    = 1
`, version, name, len(archive), sha256.Sum256(archive))
	}
	manifest := filepath.Join(dir, "channel.toml")
	write(t, manifest, toml.String(), 0o644)
	s.sign(manifest)
}

// nginx serves dir on loopback until it is stopped, over http and over https with a
// certificate of a new CA.
type nginx struct {
	http, https string // URLs
	ca          string // file
	cmd         *exec.Cmd
}

func startNginx(t *testing.T, dir string) *nginx {
	t.Helper()
	return startNginxServing(t, "root "+dir+";")
}

// startNginxServing is startNginx with directives of its one server.
func startNginxServing(t *testing.T, directives string) *nginx {
	t.Helper()
	work := t.TempDir()
	httpAt, httpsAt := freeAddress(t), freeAddress(t)
	ca := certificates(t, work)
	conf := filepath.Join(work, "nginx.conf")
	write(t, conf, fmt.Sprintf(`
daemon off;
%s
pid %[2]s/pid;
error_log %[2]s/error.log;
events {}
http {
	access_log off;
	client_body_temp_path %[2]s/a; proxy_temp_path %[2]s/b; fastcgi_temp_path %[2]s/c; uwsgi_temp_path %[2]s/d; scgi_temp_path %[2]s/e;
	server {
		listen %[3]s;
		listen %[4]s ssl;
		ssl_certificate %[2]s/server.pem;
		ssl_certificate_key %[2]s/server.key;
		%[5]s
	}
}
`, map[bool]string{true: "user root;"}[os.Geteuid() == 0], work, httpAt, httpsAt, directives), 0o644)
	n := &nginx{"http://" + httpAt + "/", "https://" + httpsAt + "/", ca, exec.Command("nginx", "-p", work, "-c", conf)}
	var stderr bytes.Buffer
	n.cmd.Stderr = &stderr
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.stop)
	for range 200 {
		if c, err := net.Dial("tcp", httpsAt); err == nil {
			c.Close()
			return n
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("nginx does not answer: %s", stderr.String())
	return nil
}

func (n *nginx) stop() {
	if n.cmd.ProcessState == nil {
		n.cmd.Process.Signal(syscall.SIGTERM)
		n.cmd.Wait()
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// certificates makes a CA and, signed by it, server.pem and server.key for loopback, and
// returns the CA's file.
func certificates(t *testing.T, dir string) string {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	template := func(name string, serial int64) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		}
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	ca := template("Private CA", 1)
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	must(err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	leaf := template("127.0.0.1", 2)
	leaf.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	must(err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	must(err)
	put := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		write(t, path, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})), 0o600)
		return path
	}
	put("server.pem", "CERTIFICATE", leafDER)
	put("server.key", "PRIVATE KEY", keyDER)
	_, err = tls.LoadX509KeyPair(filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key"))
	must(err)
	return put("ca.pem", "CERTIFICATE", caDER)
}

// contains fails the test unless text matches pattern.
func contains(t *testing.T, text, pattern string) {
	t.Helper()
	if !regexp.MustCompile(pattern).MatchString(text) {
		t.Errorf("want %s in\n%s", pattern, text)
	}
}
