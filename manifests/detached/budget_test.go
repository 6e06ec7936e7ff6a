package detached

import (
	"context"
	"errors"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/verify"
)

// TestHostileIndexIsWithinBudget checks that every parser refuses or lists each hostile
// index at a cost in proportion to its size.
func TestHostileIndexIsWithinBudget(t *testing.T) {
	for reader, index := range map[string]manifests.Index{
		"go":      {Parse: ParseGo, Numbering: manifests.GoNumbering()},
		"julia":   {Parse: ParseJulia, Numbering: manifests.SemverNumbering()},
		"temurin": {Parse: ParseTemurin, Numbering: JDKNumbering()},
		"swift":   {Parse: ParseSwift, Numbering: SwiftNumbering()},
		"gradle":  {Parse: ParseGradle, Numbering: GradleNumbering()},
		"maven":   {Parse: ParseMaven, Numbering: manifests.SemverNumbering()},
	} {
		index.Channel, index.Tool, index.Ref = reader, reader, "https://mirror.example/index"
		for name, text := range manifesttest.HostileIndexes(manifests.MaxHint/8, 50_000) {
			t.Run(reader+": "+name, func(t *testing.T) {
				u := &manifesttest.Upstream{Files: map[string][]byte{index.Ref: text()}}
				manifesttest.Budget(t, func() {
					q := manifests.Query{Request: manifests.Request{Tool: reader, List: true}}
					catalog, err := index.Fetch(context.Background(), u, q, nil)
					if err != nil && !errors.Is(err, verify.ErrUntrusted) {
						t.Error(err)
					} else if err == nil && len(catalog.Versions(reader)) < 50_000 {
						t.Errorf("%d versions", len(catalog.Versions(reader)))
					}
				})
			})
		}
	}
}
