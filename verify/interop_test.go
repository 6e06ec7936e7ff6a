//go:build interop

package verify

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// These tests give the same input to GnuPG and Sequoia (Debian packages gnupg, gpgv,
// sq and sqv). They fail if a program is not installed.

// run runs a program with the given home directory and returns its output.
func run(t *testing.T, home, program string, args ...string) (stdout, stderr string, ok bool) {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("interop tests need %s: %v", program, err)
	}
	cmd := exec.Command(path, args...)
	cmd.Env = []string{"HOME=" + home, "GNUPGHOME=" + home, "PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	var out, diagnostics bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diagnostics
	err = cmd.Run()
	return out.String(), diagnostics.String(), err == nil
}

// write writes a file in dir and returns its path.
func write(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// gpgv reports whether GnuPG accepts a vector. Its exit status is 0 for revoked and
// expired keys too, so the status lines decide.
func gpgv(t *testing.T, v vector) bool {
	t.Helper()
	dir := t.TempDir()
	packets, err := keyPackets(v.ring) // gpgv wants them binary
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"--status-fd", "1", "--keyring", write(t, dir, "ring", joinPackets(packets))}
	if v.sig != nil || !strings.HasPrefix(v.name, "cleartext/") {
		args = append(args, write(t, dir, "sig", v.sig))
	}
	status, _, ok := run(t, dir, "gpgv", append(args, write(t, dir, "data", v.data))...)
	return ok && strings.Contains(status, "VALIDSIG") && strings.Contains(status, "GOODSIG")
}

// sqv reports whether Sequoia accepts a detached signature.
func sqv(t *testing.T, v vector) bool {
	t.Helper()
	dir := t.TempDir()
	_, _, ok := run(t, dir, "sqv", "--keyring", write(t, dir, "ring", v.ring), write(t, dir, "sig", v.sig), write(t, dir, "data", v.data))
	return ok
}

// sq reports whether Sequoia accepts a clear-signed message, which sqv of Debian 12
// can't check.
func sq(t *testing.T, v vector) bool {
	t.Helper()
	dir := t.TempDir()
	_, _, ok := run(t, dir, "sq", "verify", "--signer-cert", write(t, dir, "ring", v.ring), "--output", filepath.Join(dir, "out"), write(t, dir, "data", v.data))
	return ok
}

// disagreement is a result of another program that differs from ours, with the reason
// for ours. Programs change: a listed difference may disappear, but a new one is a
// failure.
type disagreement struct {
	program string // "gpgv", "sqv", "sq", or "all"
	accepts bool   // whether that program accepts the vectors
	why     string
	vectors []string // full names, or patterns with one "*"
}

var disagreements = []disagreement{
	{"all", true, "Our framing is stricter, so that no program can read a signature differently.", []string{
		"framing/long body", "framing/marker before", "framing/unknown packet after", "framing/length of 4 GiB", "framing/17 signatures",
		"framing/armor, *", "signature/number with a leading zero", "signature/two creation times"}},
	{"all", true, "Others ignore the two octets of the digest in the packet; here each octet outside the unhashed area must be right.", []string{
		"signature/wrong digest octets"}},
	{"all", true, "A hashed issuer that is not the key is false or a mistake; others use the unhashed key ID.", []string{
		"signature/hashed issuer is another key", "signature/hashed issuer is a distrusted key", "signature/two hashed issuers", "signature/hashed key ID is another key's",
		"signature/hashed fingerprint of an unknown version", "signature/hashed key ID of seven octets"}},
	{"all", true, "A revocation that the key made counts in spite of its flaws.", []string{
		"revocation/malformed *", "revocation/critical notation", "revocation/unknown critical subpacket", "revocation/made before the key",
		"revocation/no issuer", "revocation/empty reason", "revocation/two creation times", "revocation/superseded, by a critical notation, *",
		"revocation/version 3", "revocation/subkey compromised, version 3"}},
	{"all", true, "SHA-224 for data would only add a weaker choice.", []string{"algorithm/SHA-224"}},
	{"all", true, "A manifest needs a key that is valid now; others check the time of the signature, or accept a self-signature from the future.", []string{
		"time/key expired since, manifest", "time/expiry brought forward", "time/renewal from the future", "time/self-signature expired",
		"time/self-signature from the future", "self-signature/direct key expired*", "self-signature/user ID expired", "subkey/expired", "subkey/primary expired", "revocation/*, after, manifest", "revocation/subkey retired after, manifest"}},
	{"all", true, "GnuPG follows the direct-key signature, Sequoia that of the user ID; here both must allow it.", []string{
		"self-signature/direct key says certify only", "self-signature/user ID says certify only", "self-signature/a later direct key *"}},
	{"gpgv", true, "GnuPG applies the present state of a key to earlier times.", []string{"self-signature/a later withdrawal *"}},
	{"all", true, "Other programs have no thresholds and release dates.", []string{
		"time/release signed long before", "ring/one of two", "ring/the same key twice", "ring/a key and its subkey",
		"ring/twins: *", "ring/one subkey of two keys", "ring/a primary key as the subkey of another"}},
	{"all", true, "The vectors are checked at a time in 2030; others use the current time.", []string{"time/RSA-2048 *"}},

	{"gpgv", true, "GnuPG 2.2 accepts SHA-1 and small RSA keys without an end date.", []string{
		"algorithm/SHA-1", "algorithm/RSA-1024", "algorithm/RSA-2047", "algorithm/RSA-2048, SHA-1", "self-signature/SHA-1", "subkey/SHA-1 *"}},
	{"gpgv", true, "GnuPG accepts version 3 without an end date.", []string{"signature/version 3", "self-signature/version 3"}},
	{"gpgv", true, "GnuPG ignores the time of a back-signature.", []string{"subkey/back-signature from the future"}},
	{"gpgv", false, "GnuPG lets a key appoint another to revoke it. RFC 9580 deprecates that; here a key is revoked only by itself.", []string{
		"revocation/by an appointed revoker"}},
	{"gpgv", true, "GnuPG uses the first of two contradictory statements.", []string{"self-signature/two sets of flags"}},
	{"gpgv", false, "GnuPG allows signatures from the future, and no key.", []string{"time/key and signature a little ahead"}},
	{"gpgv", true, "GnuPG allows a key without flags to do everything.", []string{"self-signature/no flags", "subkey/without flags"}},
	{"gpgv", true, "GnuPG does not compare the signature's time with the clock.", []string{"time/an hour ahead"}},
	{"gpgv", true, "GnuPG ignores a revocation at the wrong position, or in a second copy.", []string{
		"revocation/after the user ID", "revocation/in the second copy", "revocation/subkey revoked out of place"}},
	{"gpgv", true, "GnuPG allows text around the signed text, and ignores the type: its callers must read its output, not the file.", []string{
		"cleartext/CR CR LF", "cleartext/text before", "cleartext/empty line before", "cleartext/text after", "cleartext/signature without END", "cleartext/binary type"}},
	{"gpgv", false, "GnuPG requires every signature of a block to be good; a threshold requires enough of them.", []string{
		"signature/by a stranger and by the key", "signature/by the key and by a stranger", "signature/forged, then good", "signature/unreadable, then good"}},
	{"gpgv", false, "Anyone can write the unhashed area, so it is ignored.", []string{
		"signature/critical notation, unhashed", "signature/unknown critical subpacket, unhashed"}},
	{"gpgv", false, "GnuPG uses only the first copy of a certificate, or the first certificate with a subkey.", []string{
		"subkey/adopted without consent by a certificate before", "ring/stale copy first"}},
	{"gpgv", false, "GnuPG refuses a key that has expired or been retired since; for a release the time of signing counts.", []string{
		"time/key expired since, release", "revocation/*, after, release", "revocation/subkey retired after, release"}},
	{"gpgv", false, "Without a checksum GnuPG 2.2 reads the END line as data, unless the length of the data before it happens to be right.", []string{"framing/armor, no checksum"}},
	{"all", false, "Older programs need the digest in a Hash header. RFC 9580, section 7.1, says not to rely on it.", []string{
		"cleartext/no Hash header", "cleartext/several digests", "cleartext/Hash header says another digest"}},
	{"sq", true, "Sequoia extracts the signed text and ignores the rest: its callers must read its output, not the file.", []string{
		"cleartext/* for the empty line", "cleartext/other header", "cleartext/text before", "cleartext/empty line before", "cleartext/text after",
		"cleartext/two messages", "cleartext/five dashes not escaped", "cleartext/message within the text, not escaped"}},
	{"all", false, "RFC 9580 is newer than these versions.", []string{
		"signature/version 6", "algorithm/SHA3-*", "algorithm/Ed25519*", "algorithm/Ed448*", "self-signature/version 6 direct key",
		"ring/twins: Ed448 in versions 4 and 6, *", "ring/twins: Ed25519 in versions 4 and 6, *", "ring/twins: Ed25519 in two forms, *",
		"cleartext/every digest there is"}},
	{"all", true, "Programs ignore headers, but people read them.", []string{
		"cleartext/words *", "cleartext/many headers", "cleartext/too many *", "cleartext/a comma and no digest", "cleartext/a digest in small letters"}},

	{"sqv", false, "Sequoia refuses the whole block because of this packet; here the packet is skipped.", []string{
		"signature/unreadable, then good", "signature/version 3, then good", "signature/malformed signature within, unhashed"}},
	{"sqv", false, "Sequoia allows no skew.", []string{"time/five minutes ahead", "time/key and signature a little ahead"}},
	{"sqv", false, "Sequoia requires a self-signature from before the signature, which this copy has lost.", []string{
		"time/only the newer self-signature left", "subkey/only a newer binding left"}},
	{"sqv", false, "Sequoia uses the current time.", []string{"time/RSA-*"}},
	{"sqv", false, "Sequoia has no pins.", []string{"self-signature/SHA-1, pinned", "subkey/SHA-1 *"}},
	{"sqv", false, "Sequoia refuses a whole ring for one certificate of a version it doesn't know.", []string{"ring/with a certificate of an unknown version"}},
}

// explained reports whether disagreements lists the program's result for a vector.
func explained(program string, accepts bool, name string) bool {
	return slices.ContainsFunc(disagreements, func(d disagreement) bool {
		if d.program != "all" && d.program != program || d.accepts != accepts {
			return false
		}
		return slices.ContainsFunc(d.vectors, func(pattern string) bool {
			before, after, star := strings.Cut(pattern, "*")
			return pattern == name || star && strings.HasPrefix(name, before) && strings.HasSuffix(name, after)
		})
	})
}

func TestCorpusAgreesWithOtherPrograms(t *testing.T) {
	now := time.Now()
	agreed := 0
	for _, v := range corpus(now) {
		if strings.Contains(v.rule, "keyring") {
			continue // the ring holds no usable certificate
		}
		_, err := v.check(now)
		compare := func(program string, accepts bool) {
			switch {
			case accepts == (err == nil):
				agreed++
			case !explained(program, accepts, v.name):
				t.Errorf("%s: %s accepts: %v, and we: %v", v.name, program, accepts, err)
			}
		}
		compare("gpgv", gpgv(t, v))
		if v.sig != nil || !strings.HasPrefix(v.name, "cleartext/") {
			compare("sqv", sqv(t, v))
		} else {
			compare("sq", sq(t, v))
		}
	}
	t.Logf("%d verdicts agree", agreed)
	if agreed < 350 {
		t.Errorf("only %d verdicts agree: did the programs run at all?", agreed)
	}
}
