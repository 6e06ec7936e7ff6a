package unpack

import (
	"io"
	"strconv"
	"strings"

	"golang.org/x/sync/semaphore"
)

const (
	arMagic  = "!<arch>\n"
	arHeader = 60
)

// A member is one file of an ar archive.
type member struct {
	name      string
	off, size int64
}

// readDeb calls put for every entry of the data.tar of a Debian package
// (deb(5)). The package's control files are not read, and its scripts never run.
func readDeb(src *source, memory *semaphore.Weighted, limits Limits, put func(entry) error) error {
	members, err := readAr(src)
	if err != nil {
		return err
	}
	version := make([]byte, min(members[0].size, 5))
	if err := readAt(src, version, members[0].off); err != nil {
		return err
	}
	if members[0].name != "debian-binary" || string(version) != "2.0\n" {
		return refuse(RuleDeb, members[0].name, "first member with the content %q", version)
	}
	if _, ok := tarCodec("control.tar", members[1].name); !ok {
		return refuse(RuleDeb, members[1].name, "second member that is not control.tar")
	}
	codec, ok := tarCodec("data.tar", members[2].name)
	if !ok {
		return refuse(RuleDeb, members[2].name, "third member that is not data.tar")
	}
	data := members[2]
	return readTarIn(codec, true, src, src.section(data.off, data.size), data.size, memory, limits, put)
}

// tarCodec returns the codec of the member name, if it is the tar stem of a package.
func tarCodec(stem, name string) (codec string, ok bool) {
	rest, ok := strings.CutPrefix(name, stem)
	switch rest {
	case "":
		return "", ok
	case ".gz", ".xz", ".zst":
		return rest[1:], ok
	}
	return "", false
}

// readAr reads the headers of the three members of a package, in the common ar format:
// no symbol table, no long names.
func readAr(src *source) (members [3]member, err error) {
	var magic [len(arMagic)]byte
	if err := readAt(src, magic[:], 0); err != nil {
		return members, err
	}
	if string(magic[:]) != arMagic {
		return members, refuse(RuleDeb, "", "the file is not an ar archive")
	}
	off := int64(len(arMagic))
	for i := range members {
		var h [arHeader]byte
		if err := readAt(src, h[:], off); err != nil {
			return members, err
		}
		off += arHeader
		m := member{name: strings.TrimSuffix(strings.TrimRight(string(h[:16]), " "), "/"), off: off}
		digits := strings.TrimRight(string(h[48:58]), " ")
		m.size, err = strconv.ParseInt(digits, 10, 64)
		if err != nil || digits[0] < '0' || digits[0] > '9' || string(h[58:]) != "`\n" {
			return members, refuse(RuleHeader, m.name, "malformed header of a member")
		}
		if m.size > src.size-off {
			return members, refuse(RuleEnd, m.name, "the archive is cut short")
		}
		members[i] = m
		if off += m.size; m.size%2 == 1 {
			var pad [1]byte
			if err := readAt(src, pad[:], off); err != nil {
				return members, err
			}
			if pad[0] != '\n' {
				return members, refuse(RuleDeb, m.name, "member padded with something other than a newline")
			}
			off++
		}
	}
	if off != src.size {
		return members, refuse(RuleEnd, "", "%d bytes follow data.tar", src.size-off)
	}
	return members, nil
}

// readAt fills p, or returns the error of an archive that is cut short.
func readAt(src io.ReaderAt, p []byte, off int64) error {
	if n, err := src.ReadAt(p, off); n < len(p) {
		return truncated(err, "")
	}
	return nil
}
