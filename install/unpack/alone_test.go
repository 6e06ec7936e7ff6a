//go:build !interop

package unpack_test

import (
	"testing"

	"github.com/kist-tools/kist/install/record"
)

// compareWithOthers needs other programs: see interop_test.go.
func compareWithOthers(*testing.T, string, []byte, []record.Entry) {}
