package upstreams

// Aliases is the table of other names, for its test.
func Aliases() map[string]string { return aliases() }
