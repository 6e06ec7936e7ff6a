package verify

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// The kinds of armor block that this package reads. RFC 9580, section 6.2.1.
const (
	armorSignature = "PGP SIGNATURE"
	armorPublicKey = "PGP PUBLIC KEY BLOCK"
	armorSecretKey = "PGP PRIVATE KEY BLOCK"
)

// splitLine returns the first line of data, without its line end (LF or CRLF), and
// the rest.
func splitLine(data []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(data, []byte{'\n'})
	return bytes.TrimSuffix(line, []byte{'\r'}), rest
}

// trimArmor removes trailing white space. Only these characters are white space in
// armor: Unicode has more, but they have been used to hide text.
func trimArmor(line []byte) []byte { return bytes.TrimRight(line, " \t\r") }

// isBlank reports whether data contains only what is white space in armor.
func isBlank(data []byte) bool { return len(bytes.Trim(data, " \t\r\n")) == 0 }

// dearmor decodes the block of the given kind that data must begin with, and
// returns the rest of data. The form is that of RFC 9580, section 6.2: the BEGIN
// line, headers, an empty line, base64, an optional checksum, which must be right,
// and the matching END line.
func dearmor(kind string, data []byte) (decoded, rest []byte, err error) {
	line, rest := splitLine(data)
	if string(trimArmor(line)) != "-----BEGIN "+kind+"-----" {
		return nil, nil, fmt.Errorf("no %q armor", kind)
	}
	for {
		if len(rest) == 0 {
			return nil, nil, errors.New("armor ends before its data")
		}
		line, rest = splitLine(rest)
		if line = trimArmor(line); len(line) == 0 {
			break
		}
		if err := checkArmorHeader(line); err != nil {
			return nil, nil, err
		}
	}

	var body []byte
	var sum string
	for {
		if len(rest) == 0 {
			return nil, nil, errors.New("armor has no END line")
		}
		line, rest = splitLine(rest)
		line = trimArmor(line)
		if bytes.HasPrefix(line, []byte("-----")) {
			break
		}
		switch {
		case sum != "":
			return nil, nil, errors.New("armor continues after its checksum")
		case len(line) == 5 && line[0] == '=':
			sum = string(line[1:])
		default:
			body = append(body, line...)
		}
	}
	if string(line) != "-----END "+kind+"-----" {
		return nil, nil, errors.New("armor has a wrong END line")
	}

	decoded, err = decodeBase64(string(body))
	if err != nil {
		return nil, nil, errors.New("armor is not base64")
	}
	if sum != "" {
		want, err := decodeBase64(sum)
		if err != nil || !bytes.Equal(want, crc24(decoded)) {
			return nil, nil, errors.New("armor has a wrong checksum")
		}
	}
	return decoded, rest, nil
}

// decodeBase64 accepts only the canonical encoding. The standard library would
// skip line ends, which the caller has removed; Strict refuses trailing bits.
func decodeBase64(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("line end within base64")
	}
	return base64.StdEncoding.Strict().DecodeString(s)
}

// checkArmorHeader accepts "Key: value" without control characters, in any
// encoding. This package ignores both parts.
func checkArmorHeader(line []byte) error {
	if !bytes.Contains(line, []byte(": ")) && !bytes.HasSuffix(line, []byte(":")) || line[0] == ':' {
		return errors.New("armor has neither a header nor an empty line before its data")
	}
	if bytes.ContainsFunc(line, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return errors.New("armor has a header with control characters")
	}
	return nil
}

// enarmor returns data as one armor block with a checksum. RFC 9580, section 6.1
// advises against the checksum unless a reader needs it. GnuPG 2.2 does: without
// it, it reads the END line as data and fails after verification.
func enarmor(kind string, data []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "-----BEGIN %s-----\n\n", kind)
	text := base64.StdEncoding.EncodeToString(data)
	for len(text) > 0 {
		n := min(64, len(text))
		b.WriteString(text[:n] + "\n")
		text = text[n:]
	}
	fmt.Fprintf(&b, "=%s\n", base64.StdEncoding.EncodeToString(crc24(data)))
	fmt.Fprintf(&b, "-----END %s-----\n", kind)
	return b.Bytes()
}

// crc24 computes the checksum of RFC 9580, section 6.1.
func crc24(data []byte) []byte {
	const poly = 0x1864cfb
	crc := uint32(0xb704ce)
	for _, octet := range data {
		crc ^= uint32(octet) << 16
		for range 8 {
			crc <<= 1
			if crc&0x1000000 != 0 {
				crc ^= poly
			}
		}
	}
	return []byte{byte(crc >> 16), byte(crc >> 8), byte(crc)}
}
