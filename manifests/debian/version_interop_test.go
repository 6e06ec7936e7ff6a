//go:build interop

package debian_test

import (
	"errors"
	"math/rand/v2"
	"os/exec"
	"testing"

	"github.com/kist-tools/kist/manifests/debian"
)

// TestCompareAsDpkgDoes compares the order of versions with dpkg's.
func TestCompareAsDpkgDoes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pairs := ascending()
	const alphabet = "0129aZ.+~"
	draw := func() string {
		v := []string{"", "", "0:", "1:"}[random.IntN(4)] + []string{"0", "1", "1.0", "09"}[random.IntN(4)]
		for range random.IntN(6) {
			v += string(alphabet[random.IntN(len(alphabet))])
		}
		if random.IntN(2) == 0 {
			v += "-1" + string(alphabet[random.IntN(len(alphabet))])
		}
		return v
	}
	for range 100 {
		pairs = append(pairs, [2]string{draw(), draw()})
	}
	for _, pair := range pairs {
		want := 0
		for order, operator := range map[int]string{-1: "lt", 1: "gt"} {
			err := exec.Command("dpkg", "--compare-versions", pair[0], operator, pair[1]).Run()
			var exit *exec.ExitError
			if err == nil {
				want = order
			} else if !errors.As(err, &exit) || exit.ExitCode() != 1 {
				t.Fatalf("dpkg: %v", err)
			}
		}
		if got := debian.Compare(pair[0], pair[1]); got != want {
			t.Errorf("%q and %q: %d, dpkg says %d", pair[0], pair[1], got, want)
		}
	}
}
