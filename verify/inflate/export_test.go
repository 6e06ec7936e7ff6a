package inflate

// Unexported names that the tests use.
const MaxText = maxText

var ErrCorrupt = errCorrupt
