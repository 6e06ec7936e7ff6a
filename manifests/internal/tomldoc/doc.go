// Package tomldoc decodes TOML that came from somebody else, at a cost that its
// size states.
//
// A document is counted before it is decoded ([Limits]), by a scanner that does
// nothing else. What passes is parsed by go-toml's parser, and its tables are put
// together here: go-toml itself looks for each key among all keys before it, so
// that its time grows with the square of their number. Values, keys, duplicates
// and errors are those of go-toml.
//
//	tree, err := tomldoc.Decode(data, tomldoc.Limits{Tables: 64, Keys: 1024, Values: 8192})
package tomldoc
