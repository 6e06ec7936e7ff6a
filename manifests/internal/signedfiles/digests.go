package signedfiles

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/kist-tools/kist/verify"
)

// Ceilings on a list.
const (
	MaxList = 1 << 20 // bytes
	maxName = 255     // bytes of one name
)

// Digests maps the file names of a proved list to their digests.
type Digests struct {
	named map[string][]verify.Digest
}

// ParseList reads the format of sha256sum. Every line is 64 hexadecimal digits, a
// space, a space or an asterisk, and a name of 1 to maxName printable bytes. Lines end
// in LF; only the last may lack it, or be followed by empty ones. Anything else, such
// as a line with CR or an empty list, is an error.
func ParseList(doc verify.Document) (Digests, error) {
	text := doc.Bytes()
	if len(text) > MaxList {
		return Digests{}, fmt.Errorf("a list of %d bytes, over the limit of %d", len(text), MaxList)
	}
	d := Digests{named: map[string][]verify.Digest{}}
	number := 0
	for line := range bytes.Lines(bytes.TrimRight(text, "\n")) {
		number++
		name, digest, err := parseLine(string(bytes.TrimSuffix(line, []byte("\n"))))
		if err != nil {
			return Digests{}, fmt.Errorf("line %d: %w", number, err)
		}
		d.named[name] = append(d.named[name], digest)
	}
	if number == 0 {
		return Digests{}, fmt.Errorf("an empty list")
	}
	return d, nil
}

func parseLine(line string) (name string, digest verify.Digest, err error) {
	const digits = 64
	if len(line) < digits+3 || line[digits] != ' ' || line[digits+1] != ' ' && line[digits+1] != '*' {
		return "", digest, fmt.Errorf("%.100q is not a digest, two spaces and a name", line)
	}
	if digest, err = verify.ParseDigest("sha256:" + line[:digits]); err != nil {
		return "", digest, err
	}
	name = line[digits+2:]
	unprintable := func(r rune) bool { return r <= ' ' || r > '~' }
	if len(name) > maxName || strings.ContainsFunc(name, unprintable) {
		return "", digest, fmt.Errorf("%.100q is not a name", name)
	}
	return name, digest, nil
}

// Has reports whether the list has a file of exactly this name.
func (d Digests) Has(name string) bool { return len(d.named[name]) > 0 }

// Digest returns the digest of the file of exactly this name. It is an error if the
// list does not have the name, or has it twice.
func (d Digests) Digest(name string) (verify.Digest, error) {
	if n := len(d.named[name]); n != 1 {
		return verify.Digest{}, fmt.Errorf("it names %s %d times, not once", name, n)
	}
	return d.named[name][0], nil
}
