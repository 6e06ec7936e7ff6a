package verify

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

// MaxKeyring is the largest total size, in bytes, of the files of a keyring. The
// largest known keyring, that of the Debian developers, is half of it.
const MaxKeyring = 64 << 20

// Ceilings on the contents of a keyring.
const (
	maxPackets      = 1 << 17
	maxCertificates = 4096
)

// Pin names a trusted primary key and those of its signing subkeys that are
// trusted even if their binding is weak.
type Pin struct {
	Primary Fingerprint   `json:"primary" toml:"primary"`
	Subkeys []Fingerprint `json:"subkeys,omitempty" toml:"subkeys,omitempty"`
}

// Keyring holds the certificates that may sign. It is never empty and does not
// change. Copies of one certificate are merged.
type Keyring struct{ certs []*certificate }

// NewKeyring reads certificates, armored or binary, and returns those that pins
// name. For pinned keys only, a SHA-1 self-signature, binding or back-signature
// counts. It is an error if a pinned key is in no file or is distrusted, if two
// pins share one secret key, or if nothing is pinned. All errors match
// ErrUntrusted.
func NewKeyring(pins []Pin, files ...[]byte) (*Keyring, error) {
	all, err := OpenKeyring(files...)
	if err != nil {
		return nil, err
	}
	ring := &Keyring{}
	for _, pin := range pins {
		cert := all.certificate(pin.Primary)
		if cert == nil {
			return nil, keyringError("key %s is pinned but in no file", pin.Primary)
		}
		for _, fpr := range append([]Fingerprint{pin.Primary}, pin.Subkeys...) {
			if why, ok := distrustedKeys[fpr]; ok {
				return nil, keyringError("key %s is on the list of distrusted keys: %s", fpr, why)
			}
			if cert.key(fpr) == nil {
				return nil, keyringError("subkey %s is pinned but not in the certificate of %s", fpr, pin.Primary)
			}
			cert.pinned[fpr] = true
		}
		if ring.certificate(pin.Primary) == nil {
			ring.certs = append(ring.certs, cert)
		}
	}
	if len(ring.certs) == 0 {
		return nil, keyringError("nothing is pinned")
	}
	if err := ring.Distinct(); err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	return ring, nil
}

// OpenKeyring reads every certificate of files and pins none, as check-signature
// needs. A file is binary, or text that contains one or more armored public key
// blocks. Certificates with an unknown version or algorithm are skipped. A file
// without public keys, and an empty result, are errors that match ErrUntrusted.
func OpenKeyring(files ...[]byte) (*Keyring, error) {
	var total int
	copies := map[string][]rawPacket{} // packets by primary key packet
	var order []string
	for _, file := range files {
		if total += len(file); total > MaxKeyring {
			return nil, keyringError("over the limit of %d bytes", MaxKeyring)
		}
		packets, err := keyPackets(file)
		if err != nil {
			return nil, keyringError("%v", err)
		}
		for _, certificate := range splitCertificates(packets) {
			primary := string(certificate[0].body)
			if _, seen := copies[primary]; !seen {
				if order = append(order, primary); len(order) > maxCertificates {
					return nil, keyringError("more than %d certificates", maxCertificates)
				}
				copies[primary] = certificate
				continue
			}
			copies[primary] = append(copies[primary], certificate[1:]...)
		}
	}
	ring := &Keyring{}
	var firstUnread error
	for _, primary := range order {
		cert, err := parseCertificate(copies[primary])
		if err != nil {
			firstUnread = err
			continue
		}
		ring.certs = append(ring.certs, cert)
	}
	if len(ring.certs) == 0 {
		if firstUnread != nil {
			return nil, keyringError("no certificate that can be used (%v)", firstUnread)
		}
		return nil, keyringError("no certificate in it")
	}
	return ring, nil
}

func keyringError(format string, args ...any) error {
	return Untrusted("keyring: "+format, args...)
}

// keyPackets reads one file as packets that share no memory with file.
func keyPackets(file []byte) ([]rawPacket, error) {
	if len(file) > 0 && file[0]&0x80 != 0 {
		return splitKeyPackets(bytes.Clone(file))
	}
	var packets []rawPacket
	found := false
	for rest := file; len(rest) > 0; {
		line, next := splitLine(rest)
		switch string(trimArmor(line)) {
		case "-----BEGIN " + armorSecretKey + "-----":
			return nil, errSecretKey
		case "-----BEGIN " + armorPublicKey + "-----":
			data, after, err := dearmor(armorPublicKey, rest)
			if err != nil {
				return nil, err
			}
			block, err := splitKeyPackets(data)
			if err != nil {
				return nil, err
			}
			if packets = append(packets, block...); len(packets) > maxPackets {
				return nil, fmt.Errorf("more than %d packets", maxPackets)
			}
			found, next = true, after
		}
		rest = next
	}
	if !found {
		return nil, errors.New("no armored or binary public key")
	}
	return packets, nil
}

var errSecretKey = errors.New("holds a secret key: export the public key")

func splitKeyPackets(data []byte) ([]rawPacket, error) {
	packets, err := splitPackets(data, maxPackets)
	if err != nil {
		return nil, err
	}
	for _, p := range packets {
		switch p.tag {
		case tagPublicKey, tagPublicSubkey, tagUserID, tagUserAttr, tagSignature, tagMarker, tagTrust, tagPadding:
		case tagSecretKey, tagSecretSubkey:
			return nil, errSecretKey
		default:
			if p.tag < firstNoncritical {
				return nil, fmt.Errorf("a packet of type %d has no place among public keys", p.tag)
			}
		}
	}
	return packets, nil
}

// splitCertificates splits packets before each primary key. Packets before the
// first primary key are dropped.
func splitCertificates(packets []rawPacket) [][]rawPacket {
	var certs [][]rawPacket
	for _, p := range packets {
		if p.tag == tagPublicKey {
			certs = append(certs, nil)
		}
		if last := len(certs) - 1; last >= 0 {
			certs[last] = append(certs[last], p)
		}
	}
	return certs
}

func (k *Keyring) certificate(primary Fingerprint) *certificate {
	i := slices.IndexFunc(k.certs, func(c *certificate) bool { return c.primary.fpr == primary })
	if i < 0 {
		return nil
	}
	return k.certs[i]
}

// Pins returns a pin for every certificate of the ring: its primary key and its
// signing subkeys, including expired ones, because old releases are signed by
// them.
func (k *Keyring) Pins() []Pin {
	var pins []Pin
	for _, c := range k.Certificates() {
		pin := Pin{Primary: c.Fingerprint}
		for _, sub := range c.Subkeys {
			pin.Subkeys = append(pin.Subkeys, sub.Fingerprint)
		}
		pins = append(pins, pin)
	}
	return pins
}

// FirstIn returns the first pinned key or signing subkey of k that is in list.
func (k *Keyring) FirstIn(list []Fingerprint) (f Fingerprint, ok bool) {
	for _, pin := range k.Pins() {
		for _, f := range append([]Fingerprint{pin.Primary}, pin.Subkeys...) {
			if slices.Contains(list, f) {
				return f, true
			}
		}
	}
	return "", false
}

// Export returns each certificate, in the order of Certificates, as one armored
// block: the keys, the user IDs, and every genuine self-signature and revocation.
// Reading it back gives the same certificate.
func (k *Keyring) Export() [][]byte {
	var out [][]byte
	for _, c := range k.certs {
		out = append(out, enarmor(armorPublicKey, joinPackets(c.packets())))
	}
	return out
}

// Merge returns k with what refreshed adds to the same primary keys: a later
// expiry, new subkeys, revocations. Nothing is removed, so a known revocation
// stays. The pins stay as they are, so a new subkey needs a strong binding. It is
// an error that matches ErrUntrusted if refreshed holds a primary key that k
// doesn't hold, or a subkey that another certificate of k has.
func (k *Keyring) Merge(refreshed *Keyring) (*Keyring, error) {
	for _, c := range refreshed.certs {
		if k.certificate(c.primary.fpr) == nil {
			return nil, keyringError("key %s is a different key, not a newer copy of one in the keyring", c.primary.fpr)
		}
	}
	merged := &Keyring{}
	for _, c := range k.certs {
		packets := c.packets()
		if newer := refreshed.certificate(c.primary.fpr); newer != nil {
			if !bytes.Equal(newer.primary.raw.body, c.primary.raw.body) {
				return nil, keyringError("key %s has another key's fingerprint", newer.primary.fpr)
			}
			packets = append(packets, newer.packets()[1:]...)
		}
		cert, err := parseCertificate(packets)
		if err != nil {
			return nil, keyringError("%v", err)
		}
		cert.pinned = c.pinned
		merged.certs = append(merged.certs, cert)
	}
	if err := merged.Distinct(); err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	return merged, nil
}
