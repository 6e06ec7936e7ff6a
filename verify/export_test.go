package verify

// Unexported names that the tests use.
const (
	BeginSignature = beginSignature
	MaxSkew        = maxSkew
)

var CheckSignedHeaders = checkSignedHeaders
