package evidence_test

import (
	"testing"

	"github.com/kist-tools/kist/install/evidence"
	"github.com/kist-tools/kist/verify"
)

func TestSameProof(t *testing.T) {
	tree := func(h1 string) verify.Evidence {
		return verify.Evidence{Kind: verify.ByTree, Tree: &verify.Tree{H1: h1}}
	}
	list := verify.Evidence{Kind: verify.ByDetached, Name: "SHA256SUMS"}
	for _, test := range []struct {
		name               string
		artifact, document verify.Evidence
		same               bool
	}{
		{"by the digest that the document states", verify.Evidence{Kind: verify.ByDigest}, list, true},
		{"by nothing of its own", verify.Evidence{}, list, true},
		{"by a signature of its own", verify.Evidence{Kind: verify.ByDetached}, list, false},
		{"by the tree that names the release", tree("h1:a"), tree("h1:a"), true},
		{"by another record", tree("h1:a"), tree("h1:b"), false},
		{"by a tree, where a list names the release", tree("h1:a"), list, false},
	} {
		if got := evidence.SameProof(test.artifact, test.document); got != test.same {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}
