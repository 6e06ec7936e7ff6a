package roots

// Unexported names that the tests use.
var WindowsPrefix = windowsPrefix
