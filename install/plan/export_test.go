package plan

// Unexported names that the tests use.
const MaxCommands = maxCommands

var (
	FromDistro = fromDistro
	IsNamed    = isNamed
)
