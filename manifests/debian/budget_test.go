package debian

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/verify/verifytest/short"
)

// TestHostileDependenciesAreWithinBudget resolves indices that are expensive for their
// size if each name is searched separately. Legitimate ones are resolved, excessive
// ones refused.
func TestHostileDependenciesAreWithinBudget(t *testing.T) {
	list := func(n int, separator string, name func(i int) string) string {
		names := make([]string, n)
		for i := range names {
			names[i] = name(i)
		}
		return strings.Join(names, separator)
	}
	virtual := func(i int) string { return fmt.Sprintf("virtual-%d", i) }
	const most = 8000 // relations of a field
	type row struct {
		stanzas func() []string
		chosen  int // 0: refused
	}
	for name, test := range short.Rows(t, map[string]row{
		"100,000 alternatives with providers": {func() (all []string) {
			for i := range 13 {
				from := i * most
				all = append(all, newStanza(fmt.Sprintf("root%d 1", i), "Depends: "+list(most, " | ", func(n int) string { return virtual(from + n) }),
					fmt.Sprintf("Pre-Depends: root%d", min(i+1, 12))))
			}
			for i := range 100_000 {
				all = append(all, newStanza(fmt.Sprintf("pkg%d 1", i), "Provides: "+virtual(i)))
			}
			return all
		}, 26},
		"one name that 100,000 packages provide": {func() (all []string) {
			for i := range 100_000 {
				all = append(all, newStanza(fmt.Sprintf("pkg%d 1", i), "Provides: virtual"))
			}
			return append(all, newStanza("root0 1", "Depends: virtual, virtual (>= 0) | pkg7"))
		}, 3},
		"one name, asked for 8,000 times, that 100,000 packages provide": {func() (all []string) {
			for i := range 100_000 {
				all = append(all, newStanza(fmt.Sprintf("pkg%d 1", i), "Provides: virtual"))
			}
			return append(all, newStanza("root0 1", "Depends: "+list(most, " | ", func(int) string { return "virtual" })))
		}, 0},
		"200 MiB of names": {func() (all []string) {
			for i := range 1500 {
				all = append(all, newStanza(fmt.Sprintf("pkg%d 1", i), "Provides: "+list(most, ", ", func(n int) string { return virtual(i*most + n) })))
			}
			return append(all, newStanza("root0 1", "Depends: "+list(most, " | ", virtual)))
		}, 0},
		"names without a provider": {func() (all []string) {
			for i := range 60 {
				all = append(all, newStanza(fmt.Sprintf("pkg%d 1", i), "Provides: "+list(most, ", ", func(n int) string { return virtual(i*most + n) })))
			}
			return append(all, newStanza("root0 1", "Depends: "+list(most, " | ", func(i int) string { return "x" + virtual(i) })+" | pkg0"))
		}, 2},
		"a large stanza, asked for each time": {func() []string {
			return []string{newStanza("large 1", "Description: "+strings.Repeat("x", 500<<10)), newStanza("root0 1", "Depends: "+list(most, " | ", func(int) string { return "large:any" })+" | large")}
		}, 2},
		"a circle of 1,000": {func() (all []string) {
			for i := range 1000 {
				all = append(all, newStanza(fmt.Sprintf("root%d 1", i), fmt.Sprintf("Depends: root%d, root%d", (i+1)%1000, (i+999)%1000)))
			}
			return all
		}, 1000},
		"1,000 packages that each depend on all": {func() (all []string) {
			everything := "Depends: " + list(1000, ", ", func(i int) string { return fmt.Sprintf("root%d", i) })
			for i := range 1000 {
				all = append(all, newStanza(fmt.Sprintf("root%d 1", i), everything))
			}
			return all
		}, 0},
		"500 packages that each depend on all": {func() (all []string) {
			everything := "Depends: " + list(500, ", ", func(i int) string { return fmt.Sprintf("root%d", i) })
			for i := range 500 {
				all = append(all, newStanza(fmt.Sprintf("root%d 1", i), everything))
			}
			return all
		}, 500},
		"100,000 versions of one package": {func() (all []string) {
			for i := range 100_000 {
				all = append(all, newStanza(fmt.Sprintf("root0 %s%d", strings.Repeat("1.", 100), i)))
			}
			return all
		}, 1},
	}, 4) {
		t.Run(name, func(t *testing.T) {
			stanzas := test.stanzas()
			manifesttest.Within(t, 5*time.Second, 1<<30, func() {
				a := packages(t, "amd64", stanzas...)
				chosen, err := a.closure([]string{"root0"}, nil)
				if refused := isUntrusted(err); len(chosen) != test.chosen || refused != (test.chosen == 0) {
					t.Errorf("%d packages, want %d: %v", len(chosen), test.chosen, err)
				}
				if _, err := a.reach([]string{"root0"}); err != nil && !isUntrusted(err) {
					t.Error(err)
				}
			})
		})
	}
}

// TestUnsatisfiedNamesFewAlternatives keeps the error for a clause of very many
// alternatives readable.
func TestUnsatisfiedNamesFewAlternatives(t *testing.T) {
	a := packages(t, "amd64", newStanza("root0 1", "Depends: a0 | b0"), newStanza("root1 1", "Depends: "+strings.Repeat("c0 | ", 5000)+"c0"))
	for root, want := range map[string]string{"root0": "depends on a0 | b0, which", "root1": "c0 | 4969 others, which"} {
		_, err := a.closure([]string{root}, nil)
		if unsatisfied, ok := errors.AsType[*unsatisfiedError](err); !ok || !strings.Contains(unsatisfied.Error(), want) || len(err.Error()) > 400 {
			t.Errorf("%s: %v", root, err)
		}
	}
}
