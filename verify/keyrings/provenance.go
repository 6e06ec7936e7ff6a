package keyrings

import (
	"embed"
	"io/fs"
	"strings"

	"github.com/kist-tools/kist/verify"
)

//go:embed */README.md
var provenance embed.FS

// Source returns where the built-in copy of a key was copied from, as the upstream's
// README states it, or "" for a key that is not built in.
func Source(upstream string, primary verify.Fingerprint) string {
	readme, err := fs.ReadFile(provenance, upstream+"/README.md")
	if err != nil {
		return ""
	}
	// The columns of its table are key, name, algorithm, made, copied from, compared
	// with.
	for line := range strings.Lines(string(readme)) {
		column := strings.Split(line, " | ")
		if len(column) == 6 && column[0] == "| `"+string(primary)+"`" {
			return strings.TrimSpace(column[4])
		}
	}
	return ""
}
