package unpack

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// extended is what the extended headers before an entry say about it.
type extended struct {
	path, link *string
	size       *int64
	pax, gnu   bool
}

func (x *extended) isZero() bool { return *x == extended{} }

// maxOctal is the largest size that fits the eleven digits of a header.
const maxOctal = 1<<33 - 1

// read reads the extended header h: PAX ('x', and 'g' for all that follow) or
// one of GNU's long names ('L', 'K').
func (x *extended) read(t *tarReader, h *header) error {
	if h.size > maxExtended {
		return refuse(RuleCeiling, "", "an extended header of %d bytes", h.size)
	}
	if !isText(h.name) {
		return refuse(RuleFormat, h.name, "the name of an extended header")
	}
	body := &tarBody{t, "", h.size}
	data, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	if err := t.skip(body, h); err != nil {
		return err
	}
	if problem := x.take(h.flag, data); problem != "" {
		return refuse(RuleExtended, "", "%s", problem)
	}
	return nil
}

// take reads the content of an extended header, and returns what is wrong with it.
func (x *extended) take(flag byte, data []byte) (problem string) {
	switch flag {
	case 'g':
		if !x.isZero() {
			return "a global one between another and its entry"
		}
		return records(data, func(key, value string) string {
			if problem := ignored(key, value); problem != "" {
				return "global " + problem
			}
			return ""
		})
	case 'x':
		if x.pax || x.gnu {
			return "two for one entry"
		}
		x.pax = true
		return records(data, x.record)
	}
	field := &x.path
	if flag == 'K' {
		field = &x.link
	}
	if x.pax || *field != nil {
		return "two for one entry"
	}
	name := string(bytes.TrimSuffix(data, []byte{0}))
	if name == "" || strings.Contains(name, "\x00") {
		return "a long name that is empty or holds a NUL"
	}
	x.gnu, *field = true, &name
	return ""
}

// record takes one record of a PAX header.
func (x *extended) record(key, value string) string {
	switch key {
	case "path", "linkpath":
		if value == "" {
			return "an empty " + key
		}
		if key == "path" {
			x.path = &value
		} else {
			x.link = &value
		}
	case "size":
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 || value != strconv.FormatInt(n, 10) {
			return fmt.Sprintf("size %q", clip(value))
		}
		x.size = &n
	default:
		return ignored(key, value)
	}
	return ""
}

// ignored finds nothing wrong with records that are not taken: owners, times,
// comments, and attributes that no file of a prefix gets. Of those, other readers
// demand that numbers are some.
func ignored(key, value string) (problem string) {
	switch key {
	case "atime", "ctime", "mtime":
		seconds, fraction, _ := strings.Cut(value, ".")
		if isDigits(strings.TrimPrefix(seconds, "-")) && (fraction == "" || isDigits(fraction)) {
			return ""
		}
		return fmt.Sprintf("%s %q", key, clip(value))
	case "uid", "gid":
		if isDigits(strings.TrimPrefix(value, "-")) {
			return ""
		}
		return fmt.Sprintf("%s %q", key, clip(value))
	case "uname", "gname", "comment", "hdrcharset",
		"SCHILY.dev", "SCHILY.ino", "SCHILY.nlink", "SCHILY.fflags", "RHT.security.selinux":
		return ""
	}
	if strings.HasPrefix(key, "SCHILY.xattr.") || strings.HasPrefix(key, "SCHILY.acl.") || strings.HasPrefix(key, "LIBARCHIVE.") {
		return ""
	}
	return strconv.Quote(clip(key))
}

// isDigits reports whether s is a number of a length that others can read.
func isDigits(s string) bool {
	return s != "" && len(s) < 19 && strings.Trim(s, "0123456789") == ""
}

// records calls take for every "length key=value\n" of data, keys once each.
func records(data []byte, take func(key, value string) string) (problem string) {
	seen := make(map[string]bool)
	for len(data) > 0 {
		digits, _, ok := bytes.Cut(data[:min(len(data), 9)], []byte(" "))
		n, err := strconv.Atoi(string(digits))
		if !ok || err != nil || strconv.Itoa(n) != string(digits) || n <= len(digits)+1 || n > len(data) {
			return "a record of the wrong length"
		}
		record := data[len(digits)+1 : n]
		data = data[n:]
		key, value, ok := strings.Cut(string(record[:len(record)-1]), "=")
		switch {
		case record[len(record)-1] != '\n' || !ok || key == "":
			return "a record that is not key=value"
		case seen[key]:
			return "two of " + strconv.Quote(clip(key))
		}
		seen[key] = true
		if problem := take(key, value); problem != "" {
			return problem
		}
	}
	return ""
}

// apply puts what was said into the header it was said of.
func (x *extended) apply(h *header) error {
	if x.size != nil && *x.size != h.size {
		// A size that fits both must be the same in both: readers differ in
		// which they follow (CVE-2025-62518).
		if *x.size <= maxOctal {
			return refuse(RuleExtended, h.name, "size %d, in the header %d", *x.size, h.size)
		}
		h.size = *x.size
	}
	if x.path != nil {
		if !isText(h.name) {
			return refuse(RuleFormat, h.name, "a name that an extended header replaces")
		}
		h.name = *x.path
	}
	if x.link != nil {
		if h.flag != '1' && h.flag != '2' {
			return refuse(RuleExtended, h.name, "a link's target without a link")
		}
		h.link = *x.link
	}
	return nil
}
