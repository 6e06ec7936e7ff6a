package verify

import (
	"bytes"
	"errors"
	"fmt"
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
	for {
		if len(rest) == 0 {
			return fail("the message has no text")
		}
		line, rest = splitLine(rest)
		if line = trimArmor(line); len(line) == 0 {
			break
		}
		if err := checkHashHeader(line); err != nil {
			return cleartext{}, err
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
	return cleartext{
		text:      bytes.Join(lines, []byte("\n")),
		canonical: bytes.Join(lines, []byte("\r\n")),
		block:     rest,
	}, nil
}

// checkHashHeader accepts "Hash: NAME[, NAME]…", whose names nobody relies on,
// and no other header.
func checkHashHeader(line []byte) error {
	names, ok := strings.CutPrefix(string(line), "Hash: ")
	if !ok {
		return errors.New("the message has a header other than Hash, or no empty line before its text")
	}
	const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-, "
	if strings.Trim(names, allowed) != "" {
		return errors.New("the message has a malformed Hash header")
	}
	return nil
}
