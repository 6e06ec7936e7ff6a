package verify

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// ErrPassphrase matches, with errors.Is, the error for a secret key that is
// protected by a passphrase.
var ErrPassphrase = NewClass("protected by a passphrase", "usage", nil)

// SecretKey is a certificate with its secret keys. The secret of the primary key
// may be missing if a subkey can sign.
type SecretKey struct {
	cert    *certificate
	secrets map[Fingerprint]*packet.PrivateKey
}

// ReadSecretKey reads one transferable secret key, armored or binary, at most
// MaxKeyring bytes. Its secrets must not be protected by a passphrase (ErrPassphrase).
func ReadSecretKey(data []byte) (*SecretKey, error) {
	if len(data) > MaxKeyring {
		return nil, fmt.Errorf("secret key: over the limit of %d bytes", MaxKeyring)
	}
	if len(data) == 0 || data[0]&0x80 == 0 {
		decoded, rest, err := dearmor(armorSecretKey, bytes.TrimLeft(data, " \t\r\n"))
		if err != nil {
			return nil, fmt.Errorf("secret key: %w", err)
		}
		if !isBlank(rest) {
			return nil, errors.New("secret key: something follows its armor")
		}
		data = decoded
	}
	packets, err := splitPackets(bytes.Clone(data), maxPackets)
	if err != nil {
		return nil, fmt.Errorf("secret key: %w", err)
	}
	key := &SecretKey{secrets: map[Fingerprint]*packet.PrivateKey{}}
	var public []rawPacket
	for i, raw := range packets {
		switch {
		case raw.tag == tagSecretKey && i == 0, raw.tag == tagSecretSubkey && i > 0:
			if raw, err = key.addSecret(raw); err != nil {
				return nil, err
			}
		case raw.tag == tagSecretKey:
			return nil, errors.New("secret key: more than one key in it")
		case i == 0:
			return nil, errors.New("secret key: no secret key in it")
		}
		public = append(public, raw)
	}
	if len(public) == 0 {
		return nil, errors.New("secret key: no secret key in it")
	}
	if key.cert, err = parseCertificate(public); err != nil {
		return nil, fmt.Errorf("secret key: %w", err)
	}
	for _, k := range key.cert.keys() {
		key.cert.pinned[k.fpr] = true
	}
	return key, nil
}

// addSecret stores the secret in the packet and returns the packet's public part.
// A subkey of an unknown algorithm, such as one for encryption, is returned
// unchanged; parseCertificate then ignores it.
func (s *SecretKey) addSecret(raw rawPacket) (rawPacket, error) {
	parsed, err := packet.Read(bytes.NewReader(raw.appendTo(nil)))
	secret, ok := parsed.(*packet.PrivateKey)
	switch {
	case err != nil && raw.tag == tagSecretKey:
		return rawPacket{}, fmt.Errorf("secret key: %w", err)
	case err != nil || !ok:
		return raw, nil
	}
	fpr := fingerprint(secret.PublicKey.Fingerprint)
	switch {
	case secret.Dummy():
	case secret.Encrypted:
		return rawPacket{}, fmt.Errorf("secret key %s: %w", fpr, ErrPassphrase)
	default:
		s.secrets[fpr] = secret
	}
	var out bytes.Buffer
	if err := secret.PublicKey.Serialize(&out); err != nil {
		return rawPacket{}, fmt.Errorf("secret key %s: %w", fpr, err)
	}
	public, err := splitPackets(out.Bytes(), 1)
	if err != nil {
		return rawPacket{}, fmt.Errorf("secret key %s: %w", fpr, err)
	}
	return public[0], nil
}

// Keyring returns a keyring that holds and pins only the public key.
func (s *SecretKey) Keyring() *Keyring { return &Keyring{[]*certificate{s.cert}} }

// PublicKey returns the certificate as one armored block.
func (s *SecretKey) PublicKey() []byte { return s.Keyring().Export()[0] }

// Sign makes an armored detached signature of data (type 0x00, SHA-512, the
// issuer's fingerprint hashed) with the newest subkey that can sign, or else with
// the primary key. Sign checks its result as a Manifest with the key pinned. name
// identifies the data in errors.
func (s *SecretKey) Sign(name string, data []byte, now time.Time) ([]byte, error) {
	secret, err := s.signingKey(now)
	if err != nil {
		return nil, fmt.Errorf("signing %s: %w", name, err)
	}
	config := &packet.Config{Time: func() time.Time { return now }}
	sig := &packet.Signature{
		Version: secret.Version, SigType: packet.SigTypeBinary, PubKeyAlgo: secret.PubKeyAlgo,
		Hash: crypto.SHA512, CreationTime: now, IssuerKeyId: &secret.KeyId,
	}
	h, err := sig.PrepareSign(config)
	if err != nil {
		return nil, fmt.Errorf("signing %s: %w", name, err)
	}
	h.Write(data)
	if err := sig.Sign(h, secret, config); err != nil {
		return nil, fmt.Errorf("signing %s: %w", name, err)
	}
	var out bytes.Buffer
	if err := sig.Serialize(&out); err != nil {
		return nil, fmt.Errorf("signing %s: %w", name, err)
	}
	block := enarmor(armorSignature, out.Bytes())
	policy := Policy{Keys: s.Keyring(), Threshold: 1, Now: now}
	if _, err := policy.Detached(name, data, block); err != nil {
		return nil, err
	}
	return block, nil
}

// signingKey returns the key to sign with.
func (s *SecretKey) signingKey(now time.Time) (*packet.PrivateKey, error) {
	keys := s.cert.keys()
	slices.SortStableFunc(keys[1:], func(a, b *key) int { return b.CreationTime.Compare(a.CreationTime) })
	var rules []string
	for _, k := range append(keys[1:], keys[0]) {
		verdict := s.cert.checkSigningKey(k, checkTime{now, now})
		if verdict.kind == allowed && s.secrets[k.fpr] != nil {
			return s.secrets[k.fpr], nil
		}
		if verdict.kind == allowed {
			verdict.rule = fmt.Sprintf("the secret of key %s is missing", k.fpr)
		}
		rules = append(rules, verdict.rule)
	}
	return nil, fmt.Errorf("no key of %s can sign: %s", s.cert.primary.fpr, strings.Join(rules, "; "))
}
