package debian

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// A release is the content of a suite's InRelease file. Source: the Debian wiki,
// "DebianRepository/Format", section "Release files".
type release struct {
	origin, suite, codename string
	date, validUntil        time.Time // validUntil is zero if not stated
	byHash                  bool
	architectures           []string
	separateAll             bool              // packages for architecture "all" have separate indices
	indices                 map[string]listed // the files named Packages, by path below the suite
}

// listed is the digest and size that a release states for a file.
type listed struct {
	digest verify.Digest
	size   int64
}

// parseRelease reads a proved InRelease.
func parseRelease(d verify.Document) (*release, error) {
	name := d.Evidence().Name
	fail := func(format string, args ...any) (*release, error) {
		return nil, &manifests.FormatError{Document: name, Rule: fmt.Sprintf(format, args...)}
	}
	text := d.Bytes()
	if err := checkBytes(text); err != nil {
		return fail("%v", err)
	}
	s, rest := stanza(text)
	if len(bytes.TrimSpace(rest)) > 0 {
		return fail("more than one stanza")
	}
	var origin, suite, codename, date, until, byHash, architectures, without, sums []byte
	err := fields(s, wanted{"Origin", &origin}, wanted{"Suite", &suite}, wanted{"Codename", &codename}, wanted{"Date", &date},
		wanted{"Valid-Until", &until}, wanted{"Acquire-By-Hash", &byHash}, wanted{"Architectures", &architectures},
		wanted{"No-Support-for-Architecture-all", &without}, wanted{"SHA256", &sums})
	if err != nil {
		return fail("%v", err)
	}
	r := &release{origin: string(origin), suite: string(suite), codename: string(codename), byHash: string(byHash) == "yes",
		architectures: strings.Fields(string(architectures)), indices: map[string]listed{}}
	r.separateAll = slices.Contains(r.architectures, "all") && !slices.Contains(strings.Fields(string(without)), "Packages")
	if r.date, err = parseDate(string(date)); err != nil {
		return fail("Date: %v", err)
	}
	if until != nil {
		if r.validUntil, err = parseDate(string(until)); err != nil {
			return fail("Valid-Until: %v", err)
		}
	}
	if r.suite == "" && r.codename == "" {
		return fail("it names neither suite nor codename")
	}
	if sums == nil {
		return fail("it has no SHA256 digests")
	}
	for line := range bytes.Lines(sums) {
		if err := r.list(line); err != nil {
			return fail("%v", err)
		}
	}
	return r, nil
}

// list reads a digest line, "<hex> <size> <path>". It keeps only package indices.
func (r *release) list(line []byte) error {
	line = bytes.TrimSpace(line)
	if len(line) == 0 {
		return nil // after "SHA256:" itself
	}
	part := bytes.Fields(line)
	if len(part) != 3 {
		return fmt.Errorf("%.120q is not a digest line", line)
	}
	path := string(part[2])
	if base := path[strings.LastIndexByte(path, '/')+1:]; base != "Packages" && base != "Packages.gz" && base != "Packages.xz" {
		return nil
	}
	digest, err := verify.ParseDigest("sha256:" + string(part[0]))
	if err != nil {
		return err
	}
	size, err := strconv.ParseInt(string(part[1]), 10, 64)
	if err != nil || size < 0 {
		return fmt.Errorf("%s: size %.40q", path, part[1])
	}
	if _, twice := r.indices[path]; twice {
		return fmt.Errorf("%s is listed twice", path)
	}
	r.indices[path] = listed{digest, size}
	return nil
}

// parseDate reads a date in the form used by Release files: "Sat, 12 Sep 2026 07:55:41
// UTC".
func parseDate(s string) (time.Time, error) {
	for _, zone := range []string{"UTC", "GMT", "+0000", "Z"} {
		if head, ok := strings.CutSuffix(s, " "+zone); ok {
			t, err := time.Parse("Mon, _2 Jan 2006 15:04:05", head)
			if err != nil {
				return t, fmt.Errorf("%.60q is not a date", s)
			}
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%.60q is not a date in UTC", s)
}

// hasName reports whether r is the release of the suite called name. A suite may be
// named by its suite name or its codename; but if one codename covers several suites,
// as noble does with noble-security, only the suite name counts.
func (r *release) hasName(name string) bool {
	return r.suite == name || r.codename == name && !strings.HasPrefix(r.suite, r.codename+"-")
}

// updates reports whether r brings newer packages for base.
func (r *release) updates(base *release) bool {
	return r.codename == base.codename || strings.HasPrefix(r.codename, base.codename+"-")
}
