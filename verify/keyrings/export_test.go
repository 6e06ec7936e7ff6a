package keyrings

// Unexported names that the tests use.
var (
	Files = files
	Pin   = pin
	Pins  = pins
)
