package install

import "github.com/kist-tools/kist/verify"

// Evidence reads one document of the evidence of an installed release, by its digest.
// It returns an error that matches fs.ErrNotExist if the document is missing, and a
// *verify.DigestError if it was changed.
func (i *Installer) Evidence(d verify.Digest) ([]byte, error) { return i.store().Evidence(d) }
