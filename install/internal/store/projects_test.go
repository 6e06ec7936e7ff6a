package store

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/kist-tools/kist/install/record"
)

// TestProjectsHaveACeiling checks that the project that was recorded longest ago is
// forgotten for another one.
func TestProjectsHaveACeiling(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	s := Store{Data: root, State: root}
	for n := range uint64(2) {
		if err := s.Prepare(record.Generation{Number: n + 1}, nil); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	dir := func(n int) string { return fmt.Sprintf("/home/me/project%d", n) }
	for n := range MaxProjects + 1 {
		if err := s.putProject(1, Project{Dir: dir(n), Seen: start.Add(time.Duration(n) * time.Second)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.PutProject(1, Project{Dir: dir(MaxProjects + 1), Seen: start.AddDate(0, 0, 2)}); err != nil {
		t.Fatal(err)
	}
	all, err := s.Projects()
	if err != nil || len(all) != MaxProjects {
		t.Fatalf("%d projects, %v", len(all), err)
	}
	for n, want := range map[int]bool{0: false, 1: false, 2: true, MaxProjects + 1: true} {
		if p, ok, err := s.Project(dir(n)); err != nil || ok != want || ok && p.Dir != dir(n) {
			t.Errorf("project %d: %v, %v; want %v", n, ok, err, want)
		}
	}

	// A newer record of another generation counts, and is not replaced by an older one.
	newer := Project{Dir: dir(5), Uses: []string{"acme/zig@2.0"}, Seen: start.AddDate(0, 0, 1)}
	if err := s.PutProject(2, newer); err != nil {
		t.Fatal(err)
	}
	if err := s.KeepProjects(1, 2); err != nil {
		t.Fatal(err)
	}
	if p, _, err := s.Project(dir(5)); err != nil || len(p.Uses) != 1 {
		t.Errorf("%+v, %v", p, err)
	}
	if err := s.DropGeneration(1); err != nil {
		t.Fatal(err)
	}
	if all, err = s.Projects(); err != nil || len(all) != MaxProjects {
		t.Errorf("%d projects after the generation was dropped, %v", len(all), err)
	}
	if err := s.DropGeneration(2); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(root.Name() + "/generations"); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
