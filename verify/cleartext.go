package verify

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// maxClearsigned is the largest clear-signed message, in bytes.
const maxClearsigned = 16 << 20

const (
	beginSigned    = "-----BEGIN PGP SIGNED MESSAGE-----"
	beginSignature = "-----BEGIN " + armorSignature + "-----"
)

// cleartext is a message in the cleartext signature framework. RFC 9580, section 7.
type cleartext struct {
	text      []byte // the signed text with LF line ends
	canonical []byte // the signed text with CRLF line ends, as it is hashed
	block     []byte // the armored signatures
}

// splitCleartext splits msg, which must be one whole message: nothing may precede
// it, and only empty lines may follow it.
//
// The signature covers each line without its trailing white space, and the line
// ends between lines, but not the last line end. The text returned is exactly
// that, so that all of it is signed. A line whose dash should have been escaped is
// read as it is, unless it looks like armor. RFC 9580, section 7.2.
func splitCleartext(msg []byte) (cleartext, error) {
	fail := func(format string, args ...any) (cleartext, error) {
		return cleartext{}, fmt.Errorf(format, args...)
	}
	if len(msg) > maxClearsigned {
		return fail("the message is over the limit of %d bytes", maxClearsigned)
	}
	line, rest := splitLine(msg)
	if string(trimArmor(line)) != beginSigned {
		return fail("the file does not begin with %q", beginSigned)
	}
	for names := 0; ; {
		if len(rest) == 0 {
			return fail("the message has no text")
		}
		line, rest = splitLine(rest)
		if line = trimArmor(line); len(line) == 0 {
			break
		}
		n, err := checkHashHeader(line)
		if err != nil {
			return cleartext{}, err
		}
		if names += n; names > maxHashNames {
			return fail("the message has Hash headers with more than %d names", maxHashNames)
		}
	}

	var lines [][]byte
	for {
		if len(rest) == 0 {
			return fail("the message has no signature")
		}
		atSignature := rest
		line, rest = splitLine(rest)
		if string(trimArmor(line)) == beginSignature {
			rest = atSignature
			break
		}
		if bytes.IndexByte(line, '\r') >= 0 {
			return fail("line %d of the text has a carriage return within it", len(lines)+1)
		}
		if bytes.HasPrefix(line, []byte("-----")) {
			return fail("line %d of the text looks like armor and is not escaped", len(lines)+1)
		}
		line = bytes.TrimPrefix(line, []byte("- "))
		lines = append(lines, bytes.TrimRight(line, " \t"))
	}
	if err := checkSignedHeaders(rest); err != nil {
		return cleartext{}, err
	}
	return cleartext{
		text:      bytes.Join(lines, []byte("\n")),
		canonical: bytes.Join(lines, []byte("\r\n")),
		block:     rest,
	}, nil
}

// maxHashNames is the most digests that the Hash headers of a message may name.
const maxHashNames = 16

// hashNames holds the digests that a Hash header may name, as RFC 9580, section 9.5
// spells them. Whether a signature may use one is decided by digests.
var hashNames = []string{"MD5", "SHA1", "RIPEMD160", "SHA224", "SHA256", "SHA384", "SHA512", "SHA3-256", "SHA3-512"}

// checkHashHeader accepts only the header "Hash: NAME[, NAME]…" with names of
// digests, which are not used, and returns the number of names. No unsigned text
// may stand where people read a signed message. RFC 9580, section 7.
func checkHashHeader(line []byte) (names int, err error) {
	list, ok := strings.CutPrefix(string(line), "Hash: ")
	if !ok {
		return 0, errors.New("the message has a header other than Hash, or no empty line before its text")
	}
	for name := range strings.SplitSeq(list, ",") {
		names++
		if !slices.Contains(hashNames, strings.Trim(name, " ")) {
			return names, errors.New("the message has a malformed Hash header: it holds more than names of digests")
		}
	}
	return names, nil
}

// programVersion matches the Version header that OpenPGP programs write: their name
// in one or two words, a version, and optionally a system, such as
// "GnuPG v1.4.11 (Darwin)".
var programVersion = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9.#/+-]{0,23}( [A-Za-z][A-Za-z0-9.#/+-]{0,23})? v?[0-9][0-9A-Za-z.+~-]{0,23}( \([A-Za-z0-9./_-]{1,23}( [A-Za-z0-9./_-]{1,23})?\))?$`)

// programComments holds the Comment headers that programs write by default, without
// a trailing slash.
var programComments = []string{
	"GPGTools - http://gpgtools.org", "GPGTools - https://gpgtools.org", "GPGTools - http://www.gpgtools.org", "GPGTools - https://www.gpgtools.org",
	"Using GnuPG with Mozilla - http://enigmail.mozdev.org", "Using GnuPG with Mozilla - http://www.enigmail.net",
	"Using GnuPG with Thunderbird - http://www.enigmail.net",
	"http://openpgpjs.org", "https://openpgpjs.org", "https://gopenpgp.org", "https://keybase.io/crypto", "https://protonmail.com",
}

// checkSignedHeaders refuses free text in the armor headers of a message's
// signatures, which are not signed either. Only headers that programs write by
// themselves are accepted.
func checkSignedHeaders(block []byte) error {
	const most = 8
	_, rest := splitLine(block)
	for range most {
		var line []byte
		line, rest = splitLine(rest)
		if line = trimArmor(line); len(line) == 0 {
			return nil
		}
		key, value, _ := strings.Cut(string(line), ": ")
		switch {
		case key == "Version" && (programVersion.MatchString(value) || value == "ProtonMail"):
		case key == "Comment" && slices.Contains(programComments, strings.TrimSuffix(value, "/")):
		default:
			return errors.New("the message has text outside its signed text: an armor header that no program writes by itself")
		}
	}
	return fmt.Errorf("the message has more than %d armor headers", most)
}
