package upstreams

import (
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/keyrings"
)

// The built-in channel that publishes kist itself, in kist's own format.
const (
	OwnChannel = "kist"
	// OwnTool is the only tool of that channel. It is never installed as a toolchain:
	// kist replaces its own program.
	OwnTool = "kist"
	// OwnURL is where its manifest will be. Nothing is published there yet.
	OwnURL = "https://kist-tools.github.io/kist/channel/channel.toml"
	// OwnThreshold is how many of its keys must sign.
	OwnThreshold = 2
)

// OwnKeys returns the keys of kist's own channel that are built in.
func OwnKeys() (*verify.Keyring, error) { return keyrings.Lookup(OwnChannel) }
