package rust

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest/short"
)

// TestHostileManifestIsWithinBudget parses each hostile document as a manifest at its
// ceiling. Unknown keys are ignored in one, so some may be accepted.
func TestHostileManifestIsWithinBudget(t *testing.T) {
	real := sample(t, "channel-rust-1.95.0-2026-04-16.toml.gz")
	for where, start := range map[string]string{"alone": "manifest-version = \"2\"\n", "after a real one": string(real)} {
		for name, text := range short.Rows(t, manifesttest.HostileTOML(start, manifests.MaxManifest), 11) {
			t.Run(where+": "+name, func(t *testing.T) {
				data := text()
				manifesttest.Budget(t, func() {
					if _, err := parse(data); err != nil && !errors.Is(err, verify.ErrUntrusted) {
						t.Error(err)
					}
				})
			})
		}
	}
	t.Run("all limits at once", func(t *testing.T) {
		var b bytes.Buffer
		b.Write(real)
		for i := range limits.Tables/2 - 15_000 {
			fmt.Fprintf(&b, "[t%d.a]\n", i)
		}
		for i := range limits.Keys - 25_000 {
			fmt.Fprintf(&b, "k%d='%d'\n", i, i)
		}
		b.WriteString("x=[")
		b.Write(bytes.Repeat([]byte("{},"), limits.Values/2-5000))
		b.WriteString("]\n")
		manifesttest.Budget(t, func() {
			if _, err := parse(b.Bytes()); err != nil {
				t.Error(err)
			}
		})
	})
}

// TestGrownManifestIsWithinBudget reads a manifest with eight times as many packages as
// that of 1.95.0, near the ceilings.
func TestGrownManifestIsWithinBudget(t *testing.T) {
	data := bytes.Clone(sample(t, "channel-rust-1.95.0-2026-04-16.toml.gz"))
	packages := data[bytes.Index(data, []byte("[pkg.")):bytes.Index(data, []byte("[renames"))]
	for i := range 7 {
		more := bytes.ReplaceAll(packages, []byte("[pkg."), fmt.Appendf(nil, "[pkg.x%d-", i))
		for _, list := range []string{"components", "extensions"} { // only pkg.rust may have them
			more = bytes.ReplaceAll(more, []byte("."+list+"]]"), []byte(".others]]"))
		}
		data = append(data, more...)
	}
	manifesttest.Budget(t, func() {
		if _, err := parse(data); err != nil {
			t.Error(err)
		}
	})
}

// TestHostileToolchainFileIsWithinBudget parses each hostile document as a project's
// file, which anybody may have written.
func TestHostileToolchainFileIsWithinBudget(t *testing.T) {
	start := "[toolchain]\nchannel = \"1.95\"\n"
	for name, text := range manifesttest.HostileTOML(start, MaxToolchainFile) {
		t.Run(name, func(t *testing.T) {
			data := text()
			manifesttest.Budget(t, func() {
				f, err := ParseToolchainFile("rust-toolchain.toml", data)
				if (err == nil) != (f.Channel == "1.95") {
					t.Errorf("%+v, %v", f, err)
				}
			})
		})
	}
}
