package unpack

import (
	"bytes"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// extended holds the values of the extended headers before an entry.
type extended struct {
	path, link *string
	size       *int64
	pax, gnu   bool
}

func (x *extended) isZero() bool { return *x == extended{} }

// maxOctal is the largest size that fits the eleven digits of a header.
const maxOctal = 1<<33 - 1

// read reads the extended header h: PAX ('x' for the next entry, 'g' for all that follow)
// or one of GNU's long names ('L', 'K').
func (x *extended) read(t *tarReader, h *header) error {
	if h.size > maxExtended {
		return refuse(RuleCeiling, "", "extended header of %d bytes; the limit is %d", h.size, maxExtended)
	}
	if !isText(h.name) {
		return refuse(RuleFormat, h.name, "name of an extended header that could begin another format")
	}
	body := &tarBody{t, "", h.size}
	data, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	if err := t.skip(body, h); err != nil {
		return err
	}
	// GNU tar reads a long name up to the first NUL, even beyond the stated size.
	isLong := h.flag == 'L' || h.flag == 'K'
	if rest := int(h.size % blockSize); isLong && rest > 0 && !bytes.HasPrefix(zeroBlock[:], t.block[rest:]) {
		return malformed("long name that goes on behind its stated size")
	}
	return x.parse(h.flag, data)
}

// parse parses the content of an extended header of the type flag.
func (x *extended) parse(flag byte, data []byte) error {
	switch flag {
	case 'g':
		if !x.isZero() {
			return malformed("global extended header between an entry and its own extended header")
		}
		return eachRecord(data, ignore)
	case 'x':
		if x.pax || x.gnu {
			return malformed("second extended header for one entry")
		}
		x.pax = true
		return eachRecord(data, x.setRecord)
	}
	field := &x.path
	if flag == 'K' {
		field = &x.link
	}
	if x.pax || *field != nil {
		return malformed("second extended header for one entry")
	}
	name := string(bytes.TrimSuffix(data, []byte{0}))
	if name == "" || strings.Contains(name, "\x00") {
		return malformed("long name that is empty or contains a NUL")
	}
	x.gnu, *field = true, &name
	return nil
}

// malformed returns the error of a malformed extended header.
func malformed(format string, args ...any) error {
	return refuse(RuleExtended, "", format, args...)
}

// setRecord applies one record of a PAX header for the next entry.
func (x *extended) setRecord(key, value string) error {
	switch key {
	case "path", "linkpath":
		if value == "" {
			return malformed("extended header with an empty %s", key)
		}
		if key == "path" {
			x.path = &value
		} else {
			x.link = &value
		}
	case "size":
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 || value != strconv.FormatInt(n, 10) {
			return malformed("extended header with the size %q", clip(value))
		}
		x.size = &n
	default:
		return ignore(key, value)
	}
	return nil
}

// ignore accepts PAX records that do not affect what kist installs: owners, times,
// attributes, and vendors' keywords, which POSIX tells readers to ignore. It refuses
// records that would change the name, size or content of a file, and those that make
// other readers fail.
func ignore(key, value string) error {
	switch {
	case key == "path", key == "linkpath", key == "size":
		return malformed("global extended header with a %s for all entries", key)
	case isSparse(key):
		return refuse(RuleSparse, "", "sparse file (%s): kist does not read these", clip(key))
	case slices.Contains(volumeKeys, key):
		return refuse(RuleSparse, "", "part of a file on several volumes (%s): kist does not read these", key)
	case key == "hdrcharset" && !slices.Contains(charsets, value):
		return malformed("extended header in the character set %q: kist reads UTF-8", clip(value))
	case key == "atime" || key == "ctime" || key == "mtime":
		seconds, fraction, _ := strings.Cut(value, ".")
		if !isDigits(strings.TrimPrefix(seconds, "-")) || fraction != "" && !isDigits(fraction) {
			return malformed("extended header with the %s %q", key, clip(value))
		}
	case key == "uid" || key == "gid":
		if !isDigits(strings.TrimPrefix(value, "-")) {
			return malformed("extended header with the %s %q", key, clip(value))
		}
	}
	return nil
}

// isSparse reports whether key marks a sparse file, whose data is not its content, and
// whose header may not have its real name. Sources:
// the manual of GNU tar, "PAX Format"; star(5) for SCHILY.realsize; libarchive for
// SUN.holesdata.
func isSparse(key string) bool {
	return key == "GNU.sparse" || strings.HasPrefix(key, "GNU.sparse.") || key == "SCHILY.realsize" || key == "SUN.holesdata"
}

// volumeKeys are the keywords of a file that continues from another volume.
var volumeKeys = []string{"GNU.volume.filename", "GNU.volume.size", "GNU.volume.offset", "SCHILY.offset"}

// charsets are the values of hdrcharset that agree with kist, which uses names unchanged
// and requires UTF-8. In POSIX, an empty value deletes the keyword.
var charsets = []string{"", "BINARY", "ISO-IR 10646 2000 UTF-8", "UTF-8"}

// changing are the keywords that change what kist installs, or how it is named.
var changing = []string{"path", "linkpath", "size", "hdrcharset"}

// isDigits reports whether s consists of digits, few enough for other readers.
func isDigits(s string) bool {
	return s != "" && len(s) < 19 && strings.Trim(s, "0123456789") == ""
}

// eachRecord calls f for every "length key=value\n" of data. A keyword may appear again
// with another value only if it changes nothing, such as comment.
func eachRecord(data []byte, f func(key, value string) error) error {
	seen := make(map[string]string)
	for len(data) > 0 {
		digits, _, ok := bytes.Cut(data[:min(len(data), 9)], []byte(" "))
		n, err := strconv.Atoi(string(digits))
		if !ok || err != nil || strconv.Itoa(n) != string(digits) || n <= len(digits)+1 || n > len(data) {
			return malformed("extended header with a record of the wrong length")
		}
		record := data[len(digits)+1 : n]
		data = data[n:]
		key, value, ok := strings.Cut(string(record[:len(record)-1]), "=")
		before, again := seen[key]
		switch {
		case record[len(record)-1] != '\n' || !ok || !isKey(key):
			return malformed("extended header with a record that is not key=value")
		case again && before != value && slices.Contains(changing, key):
			return malformed("extended header with the keyword %q twice, with different values", clip(key))
		}
		seen[key] = value
		if err := f(key, value); err != nil {
			return err
		}
	}
	return nil
}

// isKey reports whether all readers read the same keyword: GNU tar skips spaces before it,
// and ends it at a NUL.
func isKey(key string) bool {
	return key != "" && key[0] != ' ' && strings.IndexFunc(key, unicode.IsControl) < 0
}

// apply changes h, the entry's own header, to the values of x.
func (x *extended) apply(h *header) error {
	if x.size != nil && *x.size != h.size {
		// A size that fits both must be the same in both, since readers differ in
		// which one they use (CVE-2025-62518).
		if *x.size <= maxOctal {
			return refuse(RuleExtended, h.name, "size of %d bytes in the extended header and %d in its own", *x.size, h.size)
		}
		h.size = *x.size
	}
	if x.path != nil {
		if !isText(h.name) {
			return refuse(RuleFormat, h.name, "name, replaced by an extended header, that could begin another format")
		}
		h.name = *x.path
	}
	if x.link != nil {
		if h.flag != '1' && h.flag != '2' {
			return refuse(RuleExtended, h.name, "link target in the extended header of an entry that is not a link")
		}
		h.link = *x.link
	}
	return nil
}
