package install_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
)

// A release with more artifacts than are ever processed or open at once.
func TestManyArtifacts(t *testing.T) {
	w := newWorld(t)
	r := w.release("many", "1.0", "bin/many")
	for n := range 100 {
		part := w.release(fmt.Sprint("part-", n), "1.0", fmt.Sprint("share/", n)).Artifacts[0]
		r.Artifacts = append(r.Artifacts, part)
		r.Components = append(r.Components, part.Component)
	}
	var mu sync.Mutex
	at := map[string]int64{}
	i := w.kist()
	i.Opened().Progress = func(p install.Progress) {
		if !mu.TryLock() {
			t.Error("told of progress twice at one time")
			return
		}
		defer mu.Unlock()
		key := string(p.Stage) + p.Name
		if p.Done < at[key] || p.Done > p.Total {
			t.Errorf("%s: %d of %d, after %d", key, p.Done, p.Total, at[key])
		}
		at[key] = p.Done
	}
	p, err := i.Plan(planOf(r))
	if err != nil {
		t.Fatal(err)
	}
	res, err := i.Apply(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := i.Receipt(res.Installed[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(receipt.Artifacts); n != len(r.Artifacts) {
		t.Errorf("the receipt names %d artifacts, want %d", n, len(r.Artifacts))
	}
	for n, a := range receipt.Artifacts {
		if a.Name != r.Artifacts[n].Name {
			t.Fatalf("artifact %d of the receipt is %s, want %s", n, a.Name, r.Artifacts[n].Name)
		}
	}
	if !slices.IsSortedFunc(receipt.Entries, func(a, b record.Entry) int { return strings.Compare(a.Path, b.Path) }) {
		t.Error("the entries are not in order")
	}
}

func planOf(r manifests.Release) plan.Change { return plan.Change{Install: []manifests.Release{r}} }
