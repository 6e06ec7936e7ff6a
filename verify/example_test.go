package verify_test

import (
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/keyrings"
)

// This example proves a list of checksums by its upstream's signature.
func ExamplePolicy_Detached() {
	list, err := os.ReadFile("testdata/terraform_1.14.9_SHA256SUMS")
	if err != nil {
		log.Fatal(err)
	}
	signature, err := os.ReadFile("testdata/terraform_1.14.9_SHA256SUMS.sig")
	if err != nil {
		log.Fatal(err)
	}
	ring, err := keyrings.Lookup("hashicorp")
	if err != nil {
		log.Fatal(err)
	}
	policy := verify.Policy{
		Keys:      ring,
		Threshold: 1,
		Now:       time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC),
		Use:       verify.Release,
	}
	doc, err := policy.Detached("terraform_1.14.9_SHA256SUMS", list, signature)
	if err != nil {
		log.Fatal(err)
	}
	signer := doc.Evidence().Signers[0]
	fmt.Println(signer.Primary.Spaced())
	fmt.Println(signer.Algorithm, signer.Hash, signer.Created.Format(time.DateOnly))

	_, err = policy.Detached("terraform_1.14.9_SHA256SUMS", append(list, '\n'), signature)
	fmt.Println(err)
	// Output:
	// C874 011F 0AB4 0511 0D02  1055 3436 5D94 72D7 468F
	// RSA-4096 SHA-256 2026-04-20
	// terraform_1.14.9_SHA256SUMS: no acceptable signature: by key 374EC75B485913604A831CC7C820C6D5CD27AB87: it does not match the content
}

// This example pins a publisher's key and proves the manifest of a channel by it. The
// result is a Document, which the parsers of manifests require.
func ExampleNewKeyring() {
	certificate, err := os.ReadFile("../manifests/native/testdata/channel/publisher.asc")
	if err != nil {
		log.Fatal(err)
	}
	manifest, err := os.ReadFile("../manifests/native/testdata/channel/channel.toml")
	if err != nil {
		log.Fatal(err)
	}
	signature, err := os.ReadFile("../manifests/native/testdata/channel/channel.toml.asc")
	if err != nil {
		log.Fatal(err)
	}

	// The fingerprint comes from the publisher by another way than the file.
	primary, err := verify.ParseFingerprint("F74F BFC8 62D5 1DD9 1D1C  C403 065A 67BE E453 83F9")
	if err != nil {
		log.Fatal(err)
	}
	keys, err := verify.NewKeyring([]verify.Pin{{Primary: primary}}, certificate)
	if err != nil {
		log.Fatal(err)
	}
	policy := verify.Policy{
		Keys:      keys,
		Threshold: 1,
		Now:       time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC),
		Use:       verify.Manifest,
	}
	doc, err := policy.Detached("channel.toml", manifest, signature)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(doc.Bytes()), "bytes signed by", doc.Evidence().Signers[0].Primary)

	_, err = policy.Detached("channel.toml", append(manifest, '\n'), signature)
	fmt.Println(errors.Is(err, verify.ErrUntrusted))
	// Output:
	// 873 bytes signed by F74FBFC862D51DD91D1CC403065A67BEE45383F9
	// true
}
