package record

import (
	"crypto/sha256"
	"io"
	"slices"
	"strings"

	"github.com/kist-tools/kist/verify"
)

// TreeDigest returns a digest of the installed files that is the same for everybody who
// installed the same release with the same components, whatever their umask, clock, user,
// locale and directory. It is the SHA-256 of the entries in the order of their paths,
// each as three texts that end in a zero octet: its kind, its path below the prefix, and
//
//	dir     nothing
//	file    the SHA-256 of its content, in hex
//	exec    the same, of a file that its owner may execute
//	link    its target
func (r Receipt) TreeDigest() verify.Digest {
	entries := slices.Clone(r.Entries)
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	h := sha256.New()
	for _, e := range entries {
		kind, value := "dir", ""
		switch {
		case e.Type == File && e.Mode&0o100 != 0:
			kind, value = "exec", e.Digest.Hex()
		case e.Type == File:
			kind, value = "file", e.Digest.Hex()
		case e.Type == Link:
			kind, value = "link", e.Target
		}
		io.WriteString(h, kind+"\x00"+e.Path+"\x00"+value+"\x00")
	}
	return verify.SHA256([sha256.Size]byte(h.Sum(nil)))
}
