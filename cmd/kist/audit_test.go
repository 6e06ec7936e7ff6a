package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests/manifesttest"
)

// TestAuditIsWithinBudget audits 50 toolchains with a database of 1000 advisories, in less
// than a second of processor time and without a request.
func TestAuditIsWithinBudget(t *testing.T) {
	b := newBattle(t)
	var versions []string
	install := []string{"install", "--no-default"}
	for i := range 49 {
		versions = append(versions, fmt.Sprintf("2.%d", i))
		install = append(install, fmt.Sprintf("hello@=2.%d", i))
	}
	b.publish(versions...)
	b.must(install...)
	b.serve(b.withdrawing(b.next(versions...), "=2.7 || =2.8"), b.first)
	b.must("channel", "refresh", "acme")
	osv := t.TempDir()
	for i := range 1000 {
		name := "acme/hello"
		if i%10 != 0 {
			name = fmt.Sprintf("acme/tool-%d", i)
		}
		record := fmt.Sprintf(`{"id": "ACME-%d", "summary": "%s", "affected": [{"package": {"ecosystem": "kist", "name": %q},
			"ranges": [{"type": "SEMVER", "events": [{"introduced": "2.%d"}, {"fixed": "2.%d"}]}]}]}`, i, strings.Repeat("x", 4000), name, i/10, i/10+1)
		if err := os.WriteFile(filepath.Join(osv, fmt.Sprintf("ACME-%d.json", i)), []byte(record), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b.Files = nil
	asked := len(b.Asked())
	var code int
	var said string
	manifesttest.Within(t, time.Second, manifesttest.BudgetMemory, func() { code, said = b.kist("audit", "--db", osv) })
	if code != 1 || !strings.Contains(said, "51 findings about 50 toolchains") {
		t.Errorf("exit code %d: %s", code, said)
	}
	if n := len(b.Asked()) - asked; n != 0 {
		t.Errorf("%d requests", n)
	}
}
