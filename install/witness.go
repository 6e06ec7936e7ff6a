package install

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"github.com/kist-tools/kist/install/internal/rootfs"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// A WitnessError says that an artifact, though proved, is not what was asked
// for: the file inside that states its version is missing or states another.
// An old, validly signed archive served under a new name ends here.
type WitnessError struct {
	Artifact string
	Witness  manifests.Witness
	Found    string // the beginning of the file, "" if it could not be read
}

func (e *WitnessError) Error() string {
	if e.Found == "" {
		return fmt.Sprintf("%s: holds no %s to confirm that it is %q", e.Artifact, e.Witness.Path, e.Witness.Contains)
	}
	return fmt.Sprintf("%s: %s does not confirm %q: it begins %q", e.Artifact, e.Witness.Path, e.Witness.Contains, e.Found)
}

func (e *WitnessError) Is(target error) bool { return target == verify.ErrUntrusted }

const maxWitness = 1 << 20

func witness(prefix *os.Root, a manifests.Artifact) error {
	w := a.Witness
	if w == nil {
		return nil
	}
	data, err := rootfs.ReadFile(prefix, w.Path, maxWitness)
	if err != nil {
		return &WitnessError{Artifact: a.Name, Witness: *w}
	}
	if !w.WholeLine && bytes.Contains(data, []byte(w.Contains)) {
		return nil
	}
	for line := range strings.Lines(string(data)) {
		if strings.TrimRight(line, "\r\n") == w.Contains {
			return nil
		}
	}
	first, _, _ := strings.Cut(string(data), "\n")
	return &WitnessError{Artifact: a.Name, Witness: *w, Found: first[:min(len(first), 60)]}
}
