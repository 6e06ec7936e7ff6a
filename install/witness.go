package install

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// A WitnessError reports that an artifact, though proved, is not the requested one:
// the file inside that states its version is missing or states another. It stops an
// old, validly signed archive that is served under a new name.
type WitnessError struct {
	Artifact string
	Witness  manifests.Witness
	Found    string // the beginning of the file, "" if there is no file or it is not text
}

func (e *WitnessError) Error() string {
	if e.Found == "" {
		return fmt.Sprintf("%s: no %s in it confirms that it is %q", e.Artifact, e.Witness.Path, e.Witness.Contains)
	}
	return fmt.Sprintf("%s: %s does not confirm %q: it begins %q", e.Artifact, e.Witness.Path, e.Witness.Contains, e.Found)
}

func (e *WitnessError) Unwrap() error { return verify.ErrUntrusted }

// Limits on a witness, in bytes: it is either a text file that contains a line, or a
// whole program that contains its version somewhere.
const (
	maxWitness = 1 << 20
	maxProgram = 1 << 30
)

// Confirm checks the witness of a, if it has one, in the prefix that a was unpacked to.
// It returns a *WitnessError if the witness does not confirm a.
func Confirm(prefix *os.Root, a manifests.Artifact) error {
	w := a.Witness
	if w == nil {
		return nil
	}
	refuse := &WitnessError{Artifact: a.Name, Witness: *w}
	f, err := rootfs.OpenRegular(prefix, w.Path)
	if err != nil && failed(err) {
		return fmt.Errorf("%s: %s: %w", a.Name, w.Path, err)
	}
	if err != nil {
		return refuse
	}
	defer f.Close()
	found, begins := false, ""
	if w.WholeLine {
		found, begins, err = holdsLine(f, w.Contains)
	} else {
		found, begins, err = holdsText(io.LimitReader(f, maxProgram), []byte(w.Contains))
	}
	switch {
	case err != nil:
		return fmt.Errorf("%s: %s: %w", a.Name, w.Path, err)
	case found:
		return nil
	}
	refuse.Found = begins
	return refuse
}

// failed reports whether opening a file failed because of the system, and not because
// there is no such regular file.
func failed(err error) bool {
	errno, system := errors.AsType[syscall.Errno](err)
	return system && !errors.Is(err, fs.ErrNotExist) && errno != syscall.ENOTDIR && errno != syscall.ELOOP && errno != syscall.ENAMETOOLONG
}

// holdsLine reports whether a line of r is want, and how r begins. A file above the
// limit is not a witness.
func holdsLine(r io.Reader, want string) (found bool, begins string, err error) {
	data, err := io.ReadAll(io.LimitReader(r, maxWitness+1))
	if err != nil || len(data) > maxWitness {
		return false, "", err
	}
	for line := range strings.Lines(string(data)) {
		if strings.TrimRight(line, "\r\n") == want {
			return true, "", nil
		}
	}
	return false, beginning(data), nil
}

// holdsText reports whether want is anywhere in r, and how r begins.
func holdsText(r io.Reader, want []byte) (found bool, begins string, err error) {
	window := make([]byte, max(64<<10, 2*len(want)))
	kept := 0 // bytes of the last read, which may be the beginning of want
	for first := true; ; first = false {
		n, err := io.ReadFull(r, window[kept:])
		data := window[:kept+n]
		if first {
			begins = beginning(data)
		}
		switch {
		case bytes.Contains(data, want):
			return true, "", nil
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			return false, begins, nil
		case err != nil:
			return false, begins, err
		}
		kept = copy(window, data[max(0, len(data)-len(want)+1):])
	}
}

// beginning returns the first line of data for display, "" if it is not text.
func beginning(data []byte) string {
	first, _, _ := bytes.Cut(data, []byte("\n"))
	first = first[:min(len(first), 60)]
	if bytes.ContainsFunc(first, func(r rune) bool { return r < ' ' && r != '\t' && r != '\r' || r == utf8.RuneError }) {
		return ""
	}
	return string(first)
}
