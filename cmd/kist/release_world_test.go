//go:build interop || live || signed

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// releasing is a checkout of kist in which releases are made, and the people who sign
// them: any two of three.
type releasing struct {
	t        *testing.T
	checkout string
	keys     string // directory with the certificates of the signers
	signers  []signer
	built    string // digest of the last build
}

// newReleasing commits the files of this checkout, whatever their state, to a new
// repository.
func newReleasing(t *testing.T) *releasing {
	t.Helper()
	dir := commonDir(t)
	r := &releasing{t: t, checkout: filepath.Join(dir, "checkout"), keys: filepath.Join(dir, "keys")}
	for range 3 {
		s := newSigner(t, "ed25519")
		r.signers = append(r.signers, s)
		write(t, filepath.Join(r.keys, filepath.Base(s.home)+".asc"), s.gpg("--armor", "--export", s.uid), 0o644)
	}
	if err := os.Mkdir(r.checkout, 0o755); err != nil {
		t.Fatal(err)
	}
	tool(t, "sh", "-euc", `tar -C ../.. --exclude=./.git -cf - . | tar -C "$1" --no-same-owner -xf -`, "sh", r.checkout)
	r.git("init", "--quiet")
	r.commit("kist")
	return r
}

func (r *releasing) git(args ...string) string {
	r.t.Helper()
	return tool(r.t, "git", append([]string{"-C", r.checkout, "-c", "user.name=kist", "-c", "user.email=kist@kist.example"}, args...)...)
}

func (r *releasing) commit(message string) {
	r.t.Helper()
	r.git("add", "--all")
	r.git("commit", "--quiet", "--allow-empty", "--no-gpg-sign", "-m", message)
}

// release runs .ci/release with the keys of r.
func (r *releasing) release(args ...string) outcome {
	r.t.Helper()
	return finish(r.t, exec.Command(filepath.Join(r.checkout, ".ci", "release"), append([]string{"--keys", r.keys}, args...)...))
}

// must is release for what has to succeed.
func (r *releasing) must(args ...string) string {
	r.t.Helper()
	o := r.release(args...)
	if o.code != 0 {
		r.t.Fatalf(".ci/release %s: %v", strings.Join(args, " "), o)
	}
	return o.stdout
}

// refuses fails the test unless .ci/release fails, and says why.
func (r *releasing) refuses(why string, args ...string) {
	r.t.Helper()
	o := r.release(args...)
	if o.code != 1 || !strings.Contains(o.stderr, why) {
		r.t.Errorf(".ci/release %s: want exit 1 and %q, got %v", strings.Join(args, " "), why, o)
	}
}

// build makes a release for this machine alone, with more flags, and returns its
// directory.
func (r *releasing) build(version string, flags ...string) string {
	r.t.Helper()
	return r.buildFor(runtime.GOOS+"/"+runtime.GOARCH, version, flags...)
}

// buildFor is build for a list of platforms.
func (r *releasing) buildFor(platforms, version string, flags ...string) string {
	r.t.Helper()
	dir := filepath.Join(commonDir(r.t), "release")
	out := r.must(append(flags, "--platforms", platforms, version, dir)...)
	_, digest, _ := strings.Cut(out, "its digest is ")
	r.built = strings.TrimSpace(digest)
	return dir
}

// sign lets signers sign what was built last.
func (r *releasing) sign(dir string, signers ...signer) {
	r.t.Helper()
	args := []string{"--built", r.built, "sign", dir}
	for _, s := range signers {
		args = append(args, s.secretKey())
	}
	r.must(args...)
}

// fingerprint returns the fingerprint of a signer's key.
func (s signer) fingerprint() string {
	s.t.Helper()
	_, rest, _ := strings.Cut(s.gpg("--with-colons", "--fingerprint", s.uid), "\nfpr:")
	return strings.Trim(strings.SplitN(rest, "\n", 2)[0], ":")
}

func sha256sum(t *testing.T, name string) string {
	t.Helper()
	return strings.Fields(tool(t, "sha256sum", name))[0]
}

// mentions fails the test unless text has each of the wanted parts.
func mentions(t *testing.T, text string, wanted ...string) {
	t.Helper()
	for _, part := range wanted {
		if !strings.Contains(text, part) {
			t.Errorf("want %q in\n%s", part, text)
		}
	}
}
