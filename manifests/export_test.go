package manifests

// Unexported names that the tests use.
var ProgramStem = programStem
