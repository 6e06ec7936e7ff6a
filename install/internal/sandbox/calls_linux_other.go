//go:build linux && !amd64 && !arm64

package sandbox

// The system calls of this processor are not in the table.
const (
	arch       = 0
	otherCalls = 0
)

var old []uint32
