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

// ErrPassphrase matches, with errors.Is, the refusal of a secret key that is
// protected by a passphrase.
var ErrPassphrase = errors.New("protected by a passphrase")

// A SecretKey is a certificate with the secrets to sign for it. The secret of
// the primary key may be missing where a subkey signs.
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
			if raw, err = key.takeSecret(raw); err != nil {
				return nil, err
			}
		case raw.tag == tagSecretKey:
			return nil, errors.New("secret key: more than one key in it")
		case i == 0:
			return nil, errors.New("secret key: there is none in it")
		}
		public = append(public, raw)
	}
	if len(public) == 0 {
		return nil, errors.New("secret key: there is none in it")
	}
	if key.cert, err = parseCertificate(public); err != nil {
		return nil, fmt.Errorf("secret key: %w", err)
	}
	for _, k := range key.cert.keys() {
		key.cert.pinned[k.fpr] = true
	}
	return key, nil
}

// takeSecret keeps the secret of a packet and returns its public part. A subkey
// of an unknown algorithm, for encryption perhaps, is handed back as it is, and
// so left out with the other parts that nobody knows.
func (s *SecretKey) takeSecret(raw rawPacket) (rawPacket, error) {
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

// Keyring returns a ring that holds and pins the public key alone.
func (s *SecretKey) Keyring() *Keyring { return &Keyring{[]*certificate{s.cert}} }

// PublicKey returns the certificate as one armored block.
func (s *SecretKey) PublicKey() []byte { return s.Keyring().Export()[0] }

// Sign makes a detached signature of data (type 0x00, SHA-512, the issuer's
// fingerprint hashed), armored, with the newest key that can sign: a subkey
// where there is one. The result has been checked as a Manifest would be, with
// the key pinned; name is what errors call the data.
func (s *SecretKey) Sign(name string, data []byte, now time.Time) ([]byte, error) {
	secret, err := s.signer(now)
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

// signer picks the key to sign with.
func (s *SecretKey) signer(now time.Time) (*packet.PrivateKey, error) {
	keys := s.cert.keys()
	slices.SortStableFunc(keys[1:], func(a, b *key) int { return b.CreationTime.Compare(a.CreationTime) })
	var rules []string
	for _, k := range append(keys[1:], keys[0]) {
		verdict := s.cert.judge(k, clock{now, now})
		if verdict.kind == allowed && s.secrets[k.fpr] != nil {
			return s.secrets[k.fpr], nil
		}
		if verdict.kind == allowed {
			verdict.rule = fmt.Sprintf("key %s is here without its secret", k.fpr)
		}
		rules = append(rules, verdict.rule)
	}
	return nil, fmt.Errorf("no key of %s can sign: %s", s.cert.primary.fpr, strings.Join(rules, "; "))
}
