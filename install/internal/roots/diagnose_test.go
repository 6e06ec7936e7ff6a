//go:build unix

package roots

import (
	"errors"
	"slices"
	"testing"
)

// Each fault of a directory is described, and nothing is where there is none: the other
// directories are the honest twins.
func TestDiagnose(t *testing.T) {
	on := fake{files: `
/home/ann/open/kist 1000 777 1000
/home/ann/shared/kist 1000 775 50
/home/ann/bob/kist 1001 755 1001
/home/ann/good/kist 1000 700 1000
/data/all 0 777
/data/all/ann 1000 755 1000
/opt/kist 0 755
`}
	dirs := Dirs{Data: "/home/ann/open", State: "/home/ann/shared", Cache: "/home/ann/bob", Config: "/home/ann/good", Bin: "/data/all/ann/bin"}
	host := ann
	host.PrivateGroup = 1000
	byRole := map[Role]Diagnosis{}
	for _, d := range newDirChecker(on.machine(t), host).diagnose(dirs) {
		byRole[d.Role] = d
	}
	if len(byRole) != 5 {
		t.Fatalf("%d roles", len(byRole))
	}
	if d := byRole[Data]; !d.ByAll || d.Err == nil || d.Path != "/home/ann/open/kist" || !d.Exists {
		t.Errorf("open to all: %+v", d)
	}
	if d := byRole[State]; !d.ByGroup || d.ByAll || d.Err != nil {
		t.Errorf("open to a group: %+v", d)
	}
	if d := byRole[Cache]; d.UID != 1001 || d.Owner == "" || !errors.As(d.Err, new(*UnsafeDirError)) {
		t.Errorf("another user's: %+v", d)
	}
	if d := byRole[Config]; d.ByAll || d.ByGroup || d.Err != nil || len(d.Above) > 0 || !d.Exists || d.UID != 1000 {
		t.Errorf("nothing is wrong: %+v", d)
	}
	if d := byRole[Bin]; d.Exists || d.At != "/data/all/ann" || !slices.Equal(d.Above, []string{"/data/all"}) {
		t.Errorf("below what everyone can write to: %+v", d)
	}
	for _, d := range newDirChecker(on.machine(t), host).diagnose(Dirs{Data: "/opt", State: "/etc", Cache: "", Config: "rel", Bin: "/home/ann/a:b"}) {
		switch {
		case d.Role == Data && !errors.As(d.Err, new(*OwnerError)),
			d.Role == State && !errors.As(d.Err, new(*SystemPrefixError)),
			d.Role == Bin && !errors.As(d.Err, new(*SeparatorError)),
			d.Err == nil:
			t.Errorf("%s: %+v", d.Role, d)
		}
	}
}
