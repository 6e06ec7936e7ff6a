package store

import "github.com/kist-tools/kist/verify"

func (s Store) PutEvidence(blobs []verify.Blob) error { return s.putEvidence(blobs) }

// Unexported names that the tests use.
const (
	MaxEvidence = maxEvidence
	MaxMark     = maxMark
)

var GenerationDir = generationDir
