package system

// Unexported names that the tests use.
var Tools = tools
