package host

// Unexported names that the tests use.
const (
	MaxSmall = maxSmall
	NoGroup  = noGroup
)

var (
	ErrUnquotable   = errUnquotable
	PrivateGroup    = privateGroup
	QuotePowerShell = quotePowerShell
)
