package gosum_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/gosum"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

// TestEverySourceSuite runs the tests that every source must pass. The suite's
// publisher and stranger, who sign with OpenPGP for other sources, each have the key of
// a checksum database here.
func TestEverySourceSuite(t *testing.T) {
	owners := map[verify.Fingerprint]*verifytest.ChecksumDB{}
	owner := func(tb testing.TB, primary verify.Fingerprint) *verifytest.ChecksumDB {
		if owners[primary] == nil {
			owners[primary] = verifytest.NewChecksumDB(tb, "sum.example.org")
		}
		return owners[primary]
	}
	const size = 100
	list := proxyURL + "/golang.org/toolchain/@v/list"
	manifesttest.Run(t, manifesttest.Fixture{
		Freshness: manifesttest.Logged,
		Hints:     []string{list, proxyURL + "/sumdb/sum.example.org/supported"},
		Serve: func(tb testing.TB, w manifesttest.World) map[string][]byte {
			module := moduleVersion(w.Version, "linux-amd64")
			zip := toolchainZip(tb, w.Version)
			log := verifytest.NewChecksumDB(tb, "sum.example.org")
			log.Fill(tb, size/2)
			log.Add(tb, gosum.Module, module, hash(tb, zip))
			log.Fill(tb, size/2-1)
			var signers []*verifytest.ChecksumDB
			for _, key := range w.Signers {
				signers = append(signers, owner(tb, key.Primary()))
			}
			signed := log.SignedBy(signers...)
			files := map[string][]byte{
				list: []byte(module + "\n"),
				proxyURL + "/sumdb/sum.example.org/supported":            {},
				proxyURL + "/golang.org/toolchain/@v/" + module + ".zip": zip,
			}
			for _, path := range []string{"/lookup/" + gosum.Module + "@" + module, fmt.Sprintf("/tile/8/0/000.p/%d", size)} {
				data, err := signed.Read(tb.Context(), path, 0)
				if err != nil {
					tb.Fatal(err)
				}
				files[proxyURL+"/sumdb/sum.example.org"+path] = data
			}
			return files
		},
		Source: func(tb testing.TB, policy verify.Policy) manifests.Source {
			db, err := verify.NewChecksumDB(owner(tb, policy.Keys.Pins()[0].Primary).Key)
			if err != nil {
				tb.Fatal(err)
			}
			return gosum.Source{Channel: "go", Tool: "go", DB: db, Proxies: []gosum.Proxy{{URL: proxyURL}}}
		},
		Request: func(version string) manifests.Request { return ask(version).Request },
		Prove: func(tb testing.TB, r manifests.Release, u *manifesttest.Upstream) error {
			body, _, err := u.Open(tb.Context(), r.Artifacts[0].Refs[0], 0)
			if err != nil {
				return err
			}
			defer body.Close()
			data, err := io.ReadAll(io.LimitReader(body, 1<<20))
			if err != nil {
				return err
			}
			h1, err := verify.HashZip(r.Artifacts[0].Name, bytes.NewReader(data), int64(len(data)))
			if err == nil && h1 != r.Artifacts[0].Integrity.Tree.H1 {
				err = fmt.Errorf("another hash: %w", verify.ErrUntrusted)
			}
			return err
		},
	})
}
