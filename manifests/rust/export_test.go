package rust

// Unexported names that the tests use.
const MaxNames = maxNames
