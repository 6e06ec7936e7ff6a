package verify

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strings"
)

// Digest is a strong content digest, SHA-256 or SHA-512; it can hold nothing
// weaker. Its text form is "sha256:<hex>" or "sha512:<hex>" in lower case. Digests
// are comparable; the zero Digest matches no content.
type Digest struct{ sum string } // the octets; their number determines the algorithm

// ParseDigest reads "sha256:<64 hex>" or "sha512:<128 hex>", with hex digits in
// either case. Any other algorithm, such as MD5 or SHA-1, is an error.
func ParseDigest(s string) (Digest, error) {
	algorithm, digits, ok := strings.Cut(s, ":")
	if !ok {
		return Digest{}, fmt.Errorf("digest %q: no algorithm before a colon", s)
	}
	sum, err := hex.DecodeString(digits)
	if err != nil {
		return Digest{}, fmt.Errorf("digest %q: not hexadecimal", s)
	}
	switch {
	case algorithm == "sha256" && len(sum) == sha256.Size,
		algorithm == "sha512" && len(sum) == sha512.Size:
		return Digest{string(sum)}, nil
	case algorithm == "sha256", algorithm == "sha512":
		return Digest{}, fmt.Errorf("digest %q: wrong length for %s", s, algorithm)
	}
	return Digest{}, fmt.Errorf("digest %q: algorithm %q is not accepted, only sha256 and sha512", s, algorithm)
}

// SHA256 returns the Digest for a finished SHA-256 sum.
func SHA256(sum [sha256.Size]byte) Digest {
	return Digest{string(sum[:])}
}

// DigestOf returns the SHA-256 digest of data.
func DigestOf(data []byte) Digest { return SHA256(sha256.Sum256(data)) }

func (d Digest) String() string {
	if d.IsZero() {
		return ""
	}
	return d.Algorithm() + ":" + d.Hex()
}

// IsZero reports whether d is the zero Digest.
func (d Digest) IsZero() bool { return d.sum == "" }

// Algorithm returns "sha256" or "sha512", or "" for the zero Digest.
func (d Digest) Algorithm() string {
	switch len(d.sum) {
	case sha256.Size:
		return "sha256"
	case sha512.Size:
		return "sha512"
	}
	return ""
}

// Octets returns the 32 or 64 octets of the digest, none for the zero Digest.
func (d Digest) Octets() []byte { return []byte(d.sum) }

// Hex returns the hex digits of the digest, in lower case.
func (d Digest) Hex() string { return hex.EncodeToString([]byte(d.sum)) }

// MarshalText returns the text form of d, so that a Digest is a string in JSON and
// TOML. The zero Digest is the empty string.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = Digest{}
		return nil
	}
	parsed, err := ParseDigest(string(text))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}

func (d Digest) newHash() hash.Hash {
	if d.Algorithm() == "sha512" {
		return sha512.New()
	}
	return sha256.New()
}

// Check reads r to its end and checks that it holds exactly size bytes that match
// want. A negative size is not compared. It returns a *SizeError or *DigestError
// for other content, or an error of r. name identifies the data in errors.
func Check(name string, r io.Reader, size int64, want Digest) error {
	if want.IsZero() {
		return fmt.Errorf("%s: %w: no digest to check against", name, ErrUntrusted)
	}
	h := want.newHash()
	if size >= 0 {
		r = io.LimitReader(r, size+1)
	}
	n, err := io.Copy(h, r)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if size >= 0 && n != size {
		return &SizeError{Name: name, Want: size, Got: n}
	}
	got := Digest{string(h.Sum(nil))}
	if got != want {
		return &DigestError{Name: name, Want: want, Got: got}
	}
	return nil
}
