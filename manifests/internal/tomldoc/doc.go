// Package tomldoc decodes untrusted TOML in time and memory proportional to its size.
//
// A scanner first counts the parts of a document and compares them with [Limits].
// go-toml's parser then parses it, and this package builds the tables: go-toml's own
// decoder compares each key with all keys before it, so its time is quadratic in the
// number of keys. Values, keys, duplicates and errors are the same as those of go-toml.
// A [Table] then reads the keys by exact name and type, and refuses unknown ones.
//
//	tree, err := tomldoc.Decode(data, tomldoc.Limits{Tables: 64, Keys: 1024, Values: 8192})
package tomldoc
