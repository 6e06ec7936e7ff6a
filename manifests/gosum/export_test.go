package gosum

// Unexported names that the tests use.
var (
	ModuleVersion = moduleVersion
	ParseList     = parseList
)
