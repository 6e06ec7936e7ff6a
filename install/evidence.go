package install

import "github.com/kist-tools/kist/verify"

// Evidence reads one piece of what proves an installed release again, by its
// digest. It returns an error that matches fs.ErrNotExist where it is missing,
// and a *verify.DigestError where it was changed.
func (i *Installer) Evidence(d verify.Digest) ([]byte, error) { return i.store().Evidence(d) }
