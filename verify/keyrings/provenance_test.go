package keyrings

import "embed"

// Not embedded in the program, where nobody would read it.
//
//go:embed */README.md
var provenance embed.FS
