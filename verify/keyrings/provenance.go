package keyrings

import (
	"embed"
	"io/fs"
	"strings"

	"github.com/kist-tools/kist/verify"
)

//go:embed */README.md
var provenance embed.FS

// Source says where the built-in copy of a key is from, in the words of the
// upstream's README; empty for a key that is not built in.
func Source(upstream string, primary verify.Fingerprint) string {
	readme, err := fs.ReadFile(provenance, upstream+"/README.md")
	if err != nil {
		return ""
	}
	// A row of its table: key, name, algorithm, made, copied from, compared with.
	for line := range strings.Lines(string(readme)) {
		column := strings.Split(line, " | ")
		if len(column) == 6 && column[0] == "| `"+string(primary)+"`" {
			return strings.TrimSpace(column[4])
		}
	}
	return ""
}
