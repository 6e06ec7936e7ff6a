package verify_test

import (
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
