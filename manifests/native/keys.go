package native

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// KeysFile is the newest keys document, beside channel.toml; its signatures are
// in KeysFile + ".asc".
const KeysFile = "keys.toml"

// KeysFileOf is where the keys document of one version stays once a later one
// has taken its place.
func KeysFileOf(version uint64) string { return fmt.Sprintf("keys/%d.toml", version) }

// Ceilings on a keys document; over one is an error that matches verify.ErrUntrusted.
const (
	MaxKeysFile = 1 << 20 // bytes
	MaxKeys     = 32
	MaxRevoked  = 4096 // revoked keys, those of earlier documents among them
)

// Keys is the content of a keys document: who signs for a channel from now on,
// and how many of them must.
type Keys struct {
	Channel   string
	Version   uint64 // counts up from 1, without a gap
	Issued    time.Time
	Expires   time.Time
	Threshold int
	// Serial, where it is not 0, is what manifests count from anew: the way back
	// after a thief of a key has signed a manifest with a huge serial.
	Serial  uint64
	Revoked []verify.Fingerprint // keys that never count again, in whatever document
	// Certificates are the keys, one armored block each.
	Certificates [][]byte
}

// Keyring holds and pins the keys and the subkeys that sign. Other copies of
// the same certificates may be given: a revocation that any of them holds counts.
func (k *Keys) Keyring(copies ...[]byte) (*verify.Keyring, error) {
	all, err := verify.OpenKeyring(k.Certificates...)
	if err != nil {
		return nil, err
	}
	return verify.NewKeyring(all.Pins(), slices.Concat(k.Certificates, copies)...)
}

// ParseKeys reads the keys document of the channel that the user knows as
// channel. Its errors are *FormatError and *ChannelError, and match
// verify.ErrUntrusted.
func ParseKeys(d verify.Document, channel string) (*Keys, error) {
	if d.IsZero() {
		return nil, fmt.Errorf("channel %s: %w: the keys document was not proved", channel, verify.ErrUntrusted)
	}
	k, err := ParseKeysDraft(d.Bytes())
	if err != nil {
		return nil, fmt.Errorf("channel %s: %w", channel, err)
	}
	if k.Channel != channel {
		return nil, &ChannelError{Want: channel, Got: k.Channel, Document: keysDocument}
	}
	return k, nil
}

// keysDocument is what errors call a keys document.
const keysDocument = "keys document"

// ParseKeysDraft reads a keys document that its own publisher is at work on: by
// the rules of ParseKeys, but nobody has vouched for it.
func ParseKeysDraft(data []byte) (*Keys, error) {
	k, err := parseKeys(data)
	if fault, ok := errors.AsType[*FormatError](err); ok {
		fault.Document = keysDocument
	}
	if err != nil {
		return nil, err
	}
	return k, nil
}

func parseKeys(data []byte) (*Keys, error) {
	if len(data) > MaxKeysFile {
		return nil, &manifests.TooLargeError{Name: KeysFile, Limit: MaxKeysFile}
	}
	k := &Keys{}
	seen := map[verify.Fingerprint]bool{}
	err := readTables(data, "key", k.parseRoot, func(t *table) error {
		if len(k.Certificates) == MaxKeys {
			t.fail("over the limit of %d keys", MaxKeys)
			return t.err
		}
		fingerprint, certificate := parseKey(t)
		if seen[fingerprint] {
			t.fail("key %s is listed twice", fingerprint)
		}
		seen[fingerprint] = true
		k.Certificates = append(k.Certificates, certificate)
		return t.end()
	})
	if err != nil {
		return nil, err
	}
	if len(k.Certificates) < k.Threshold {
		return nil, &FormatError{Rule: fmt.Sprintf("threshold %d with %d keys", k.Threshold, len(k.Certificates))}
	}
	if err := notRevoked(k, k.Revoked); err != nil {
		return nil, err
	}
	if len(k.Certificates) > 0 {
		ring, err := verify.OpenKeyring(k.Certificates...)
		if err == nil {
			err = ring.Distinct()
		}
		if err != nil {
			return nil, &FormatError{Rule: err.Error()}
		}
	}
	return k, nil
}

func (k *Keys) parseRoot(t *table) error {
	if n := take[int64](t, "format", "a whole number"); t.err == nil && n != formatNumber {
		t.fail("format %d is not known", n)
		return t.err
	}
	k.Channel, k.Version, k.Issued, k.Expires = t.text("channel"), t.serial("version"), t.instant("issued"), t.instant("expires")
	k.Threshold = int(t.number("threshold", 1, MaxKeys))
	if err := manifests.ValidName(k.Channel); err != nil {
		t.fail("channel: %v", err)
	}
	if t.has("serial") {
		k.Serial = t.serial("serial")
	}
	for _, s := range t.texts("revoked", MaxRevoked) {
		k.Revoked = append(k.Revoked, plainFingerprint(t, s))
	}
	return t.end()
}

// parseKey reads one key: its certificate must be exactly the one that its
// fingerprint names.
func parseKey(t *table) (verify.Fingerprint, []byte) {
	fingerprint := plainFingerprint(t, t.text("fingerprint"))
	certificate := []byte(t.text("certificate"))
	if t.err != nil {
		return "", nil
	}
	ring, err := verify.OpenKeyring(certificate)
	if err != nil {
		t.fail("%v", err)
		return "", nil
	}
	if all := ring.Certificates(); len(all) != 1 || all[0].Fingerprint != fingerprint {
		t.fail("the certificate is not that of key %s alone", fingerprint)
	}
	return fingerprint, certificate
}

// plainFingerprint reads a full fingerprint, spelled without spaces.
func plainFingerprint(t *table, s string) verify.Fingerprint {
	f, err := verify.ParseFingerprint(s)
	if err != nil {
		t.fail("%v", err)
	} else if string(f) != s {
		t.fail("fingerprint %q is not written in capitals without spaces", s)
	}
	return f
}

// notRevoked refuses a document that lists a key, or a certificate with a
// signing subkey, that was revoked.
func notRevoked(k *Keys, revoked []verify.Fingerprint) error {
	if len(revoked) == 0 {
		return nil
	}
	ring, err := verify.OpenKeyring(k.Certificates...)
	if err != nil {
		return err
	}
	for _, pin := range ring.Pins() {
		for _, f := range append([]verify.Fingerprint{pin.Primary}, pin.Subkeys...) {
			if slices.Contains(revoked, f) {
				return &FormatError{Document: keysDocument, Rule: fmt.Sprintf("key %s is listed, and was revoked", f)}
			}
		}
	}
	return nil
}

// Encode writes k as the text of a keys document: the same Keys always give the
// same bytes, and parsing them gives k. It fails with the parser's own error
// where the text would not be valid.
func (k *Keys) Encode() ([]byte, error) {
	var w writer
	pair := func(key, value string) { w.pair("", key, 10, value) }
	pair("format", strconv.Itoa(formatNumber))
	pair("channel", quote(k.Channel))
	pair("version", strconv.FormatUint(k.Version, 10))
	pair("issued", k.Issued.UTC().Format(time.RFC3339Nano))
	pair("expires", k.Expires.UTC().Format(time.RFC3339Nano))
	pair("threshold", strconv.Itoa(k.Threshold))
	if k.Serial > 0 {
		pair("serial", strconv.FormatUint(k.Serial, 10))
	}
	if len(k.Revoked) > 0 {
		var revoked []string
		for _, f := range k.Revoked {
			revoked = append(revoked, string(f))
		}
		pair("revoked", quoteList(revoked))
	}
	for _, certificate := range k.Certificates {
		ring, err := verify.OpenKeyring(certificate)
		if err != nil {
			return nil, err
		}
		w.WriteString("\n[[key]]\n")
		w.pair("", "fingerprint", 11, quote(string(ring.Certificates()[0].Fingerprint)))
		w.pair("", "certificate", 11, "'''\n"+string(certificate)+"'''")
	}
	data := w.Bytes()
	if _, err := ParseKeysDraft(data); err != nil {
		return nil, err
	}
	return data, nil
}
