package change

// Unexported names that the tests use.
var HiddenLines = hiddenLines
