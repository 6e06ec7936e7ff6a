package publish

import (
	"time"

	"github.com/kist-tools/kist/verify"
)

// The steps of SignBy and ChangeKeys, for tests of each by itself.

func (d Dir) Sign(key *verify.SecretKey, by Stamp) (Signed, error) { return d.sign(key, by) }
func (d Dir) Attach(sig []byte, now time.Time, keys ...[]byte) (Signed, error) {
	return d.attach(sig, now, keys...)
}
func (d Dir) Unsigned(by Stamp) (Signed, error)                      { return d.unsigned(by) }
func (d Dir) PrepareKeys(c KeysChange, by Stamp) (KeysSigned, error) { return d.prepareKeys(c, by) }
func (d Dir) SignKeys(key *verify.SecretKey, by Stamp) (KeysSigned, error) {
	return d.signKeys(key, by)
}
func (d Dir) AttachKeys(sig []byte, now time.Time) (KeysSigned, error) { return d.attachKeys(sig, now) }

// KeysPending reports whether a keys document is gathering signatures.
func (d Dir) KeysPending() (bool, error) {
	data, _, err := d.waitingKeys()
	return data != nil, err
}

// Unexported names that the tests use.
var (
	EqualVersions = equalVersions
	IsCompanion   = isCompanion
	DecodePage    = decodePage
	EncodePage    = Page.encode
)
