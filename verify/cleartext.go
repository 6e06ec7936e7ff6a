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

// A cleartext is a message in the cleartext signature framework. RFC 9580,
// section 7.
type cleartext struct {
	text      []byte // as signed, but with LF for CRLF
	canonical []byte // as signed
	block     []byte // the armored signatures
}

// splitCleartext takes msg apart. The whole file must be one message: nothing
// stands before it, and nothing but empty lines after it.
//
// Signed is each line without the white space at its end, and the line ends
// between them, but not the one after the last line. The text returned is
// exactly that, so that nothing in it is without a signature. A line with a dash
// that its writer should have escaped stands for itself, unless it could be taken
// for armor. RFC 9580, section 7.2.
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
		before := rest
		line, rest = splitLine(rest)
		if string(trimArmor(line)) == beginSignature {
			rest = before
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

// maxHashNames is how many digests the Hash headers of a message may name.
const maxHashNames = 16

// hashNames are the digests that a Hash header may name, as RFC 9580, section 9.5
// spells them. Whether a signature may use one is for the policy to say.
var hashNames = []string{"MD5", "SHA1", "RIPEMD160", "SHA224", "SHA256", "SHA384", "SHA512", "SHA3-256", "SHA3-512"}

// checkHashHeader accepts "Hash: NAME[, NAME]…" with the names of digests, on which
// nobody relies, and no other header: words that are not signed must not stand where
// people read a signed message. RFC 9580, section 7. It returns how many names
// there are.
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

// A programVersion is what programs write about themselves into armor: their name
// in one or two words, a version, and perhaps a system: "GnuPG v1.4.11 (Darwin)".
var programVersion = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9.#/+-]{0,23}( [A-Za-z][A-Za-z0-9.#/+-]{0,23})? v?[0-9][0-9A-Za-z.+~-]{0,23}( \([A-Za-z0-9./_-]{1,23}( [A-Za-z0-9./_-]{1,23})?\))?$`)

// programComments are the Comment headers that programs write without being asked,
// without a slash at the end.
var programComments = []string{
	"GPGTools - http://gpgtools.org", "GPGTools - https://gpgtools.org", "GPGTools - http://www.gpgtools.org", "GPGTools - https://www.gpgtools.org",
	"Using GnuPG with Mozilla - http://enigmail.mozdev.org", "Using GnuPG with Mozilla - http://www.enigmail.net",
	"Using GnuPG with Thunderbird - http://www.enigmail.net",
	"http://openpgpjs.org", "https://openpgpjs.org", "https://gopenpgp.org", "https://keybase.io/crypto", "https://protonmail.com",
}

// checkSignedHeaders refuses free words in the armor headers of the signatures of a
// message, where nobody has signed them either: only what programs write about
// themselves may stand there.
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
			return errors.New("the message has words outside its signed text: an armor header that no program writes by itself")
		}
	}
	return fmt.Errorf("the message has more than %d armor headers", most)
}
