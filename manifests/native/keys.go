package native

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/internal/tomldoc"
	"github.com/kist-tools/kist/verify"
)

// KeysFile is the newest keys document, in the directory of channel.toml. Its
// signatures are in KeysFile + ".asc".
const KeysFile = "keys.toml"

// KeysFileOf returns the path at which the keys document of one version stays
// available after a later one has replaced KeysFile.
func KeysFileOf(version uint64) string { return fmt.Sprintf("keys/%d.toml", version) }

// Ceilings on a keys document. A document over one is an error that matches
// verify.ErrUntrusted.
const (
	MaxKeysFile = 1 << 20 // bytes
	MaxKeys     = 32
	MaxRevoked  = 4096 // revoked keys, including those of earlier documents
)

// Keys is the content of a keys document: the keys that sign for a channel from now
// on, and how many of them must sign.
type Keys struct {
	Channel   string
	Version   uint64 // counts up from 1 without gaps
	Issued    time.Time
	Expires   time.Time
	Threshold int
	// Serial, if not 0, is the serial at which manifests start over. It repairs a
	// channel after a stolen key has signed a manifest with a huge serial.
	Serial  uint64
	Revoked []verify.Fingerprint // keys that neither this document nor a later one may list
	// Certificates are the keys, one armored block each.
	Certificates [][]byte
}

// Keyring returns a keyring that pins the keys and their signing subkeys. copies are
// other copies of the same certificates: a revocation in any of them counts.
func (k *Keys) Keyring(copies ...[]byte) (*verify.Keyring, error) {
	all, err := verify.OpenKeyring(k.Certificates...)
	if err != nil {
		return nil, err
	}
	return verify.NewKeyring(all.Pins(), slices.Concat(k.Certificates, copies)...)
}

// parseProvedKeys reads the keys document of the channel that the user knows as
// channel. Its errors match verify.ErrUntrusted.
func parseProvedKeys(d verify.Document, channel string) (*Keys, error) {
	if d.IsZero() {
		return nil, fmt.Errorf("channel %s: %w: the keys document was not proved", channel, verify.ErrUntrusted)
	}
	k, err := ParseKeysDraft(d.Bytes())
	if err != nil {
		return nil, fmt.Errorf("channel %s: %w", channel, err)
	}
	if err := checkChannel(keysDocument, channel, k.Channel); err != nil {
		return nil, err
	}
	return k, nil
}

// keysDocument is the name of a keys document in errors.
const keysDocument = "keys document"

// ParseKeysDraft reads a keys document that its publisher has not signed yet. It
// applies the rules of parseProvedKeys, but the result is not verified.
func ParseKeysDraft(data []byte) (*Keys, error) {
	k, err := parseKeys(data)
	if format, ok := errors.AsType[*manifests.FormatError](err); ok {
		format.Document = keysDocument
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
	err := readTables(data, k.parseRoot, tableList{"key", func(t *tomldoc.Table) error {
		if len(k.Certificates) == MaxKeys {
			t.Fail("over the limit of %d keys", MaxKeys)
			return t.Err()
		}
		fingerprint, certificate := parseKey(t)
		if seen[fingerprint] {
			t.Fail("key %s is listed twice", fingerprint)
		}
		seen[fingerprint] = true
		k.Certificates = append(k.Certificates, certificate)
		return t.End()
	}})
	if err != nil {
		return nil, err
	}
	if len(k.Certificates) < k.Threshold {
		return nil, &manifests.FormatError{Rule: fmt.Sprintf("threshold %d with %d keys", k.Threshold, len(k.Certificates))}
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
			return nil, &manifests.FormatError{Rule: err.Error()}
		}
	}
	return k, nil
}

func (k *Keys) parseRoot(t *tomldoc.Table) (err error) {
	if k.Channel, err = readFormat(t); err != nil {
		return err
	}
	k.Version, k.Issued, k.Expires = readSerial(t, "version"), t.Time("issued"), t.Time("expires")
	k.Threshold = int(t.Number("threshold", 1, MaxKeys))
	if t.Has("serial") {
		k.Serial = readSerial(t, "serial")
	}
	for _, s := range t.Texts("revoked", MaxRevoked) {
		k.Revoked = append(k.Revoked, plainFingerprint(t, s))
	}
	return t.End()
}

// parseKey reads one key. Its certificate must be a single one, with the stated
// fingerprint.
func parseKey(t *tomldoc.Table) (verify.Fingerprint, []byte) {
	fingerprint := plainFingerprint(t, t.Text("fingerprint"))
	certificate := []byte(t.Text("certificate"))
	if t.Err() != nil {
		return "", nil
	}
	ring, err := verify.OpenKeyring(certificate)
	if err != nil {
		t.Fail("%v", err)
		return "", nil
	}
	if all := ring.Certificates(); len(all) != 1 || all[0].Fingerprint != fingerprint {
		t.Fail("the certificate is not that of key %s alone", fingerprint)
	}
	return fingerprint, certificate
}

// plainFingerprint parses a full fingerprint in capitals without spaces.
func plainFingerprint(t *tomldoc.Table, s string) verify.Fingerprint {
	f, err := verify.ParseFingerprint(s)
	if err != nil {
		t.Fail("%v", err)
	} else if string(f) != s {
		t.Fail("fingerprint %q is not written in capitals without spaces", s)
	}
	return f
}

// notRevoked returns an error if k lists a key in revoked, or a certificate with such
// a signing subkey.
func notRevoked(k *Keys, revoked []verify.Fingerprint) error {
	if len(revoked) == 0 {
		return nil
	}
	ring, err := verify.OpenKeyring(k.Certificates...)
	if err != nil {
		return err
	}
	if f, ok := ring.FirstIn(revoked); ok {
		return &manifests.FormatError{Document: keysDocument, Rule: fmt.Sprintf("key %s is listed, but was revoked", f)}
	}
	return nil
}

// Encode returns the text of the keys document k. It is deterministic, and parsing
// the text gives k. If the text would not be valid, Encode returns the parser's error.
func (k *Keys) Encode() ([]byte, error) {
	var w writer
	pair := func(key, value string) { w.pair("", key, 10, value) }
	pair("format", strconv.Itoa(formatNumber))
	pair("channel", tomldoc.Quote(k.Channel))
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
		pair("revoked", tomldoc.QuoteList(revoked))
	}
	for _, certificate := range k.Certificates {
		ring, err := verify.OpenKeyring(certificate)
		if err != nil {
			return nil, err
		}
		w.WriteString("\n[[key]]\n")
		w.pair("", "fingerprint", 11, tomldoc.Quote(string(ring.Certificates()[0].Fingerprint)))
		w.pair("", "certificate", 11, "'''\n"+string(certificate)+"'''")
	}
	data := w.Bytes()
	if _, err := ParseKeysDraft(data); err != nil {
		return nil, err
	}
	return data, nil
}
