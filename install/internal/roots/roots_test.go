//go:build unix

package roots

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A rootsWorld is a real directory with the five bases in it, none made yet.
type rootsWorld struct {
	home   string // links resolved
	dirs   Dirs
	host   Host
	warned []string
}

func newRootsWorld(t *testing.T) *rootsWorld {
	t.Helper()
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &rootsWorld{
		home: home,
		dirs: Dirs{
			Data:   filepath.Join(home, ".local", "share"),
			State:  filepath.Join(home, ".local", "state"),
			Cache:  filepath.Join(home, ".cache"),
			Config: filepath.Join(home, ".config"),
			Bin:    filepath.Join(home, ".local", "bin"),
		},
		host: Host{EUID: os.Geteuid(), Caller: -1},
	}
}

func (w *rootsWorld) open() (*Roots, error) {
	return Open(context.Background(), Options{Dirs: w.dirs, Host: w.host, Random: rand.Reader, LockWait: time.Second, About: "test",
		Warn: func(text string) { w.warned = append(w.warned, text) }, Checkpoint: func(string) {}})
}

func (w *rootsWorld) mustOpen(t *testing.T) *Roots {
	t.Helper()
	r, err := w.open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// mkdir makes a directory with exactly mode, whatever the umask.
func (w *rootsWorld) mkdir(t *testing.T, name string, mode fs.FileMode) string {
	t.Helper()
	full := filepath.Join(w.home, name)
	if err := errors.Join(os.MkdirAll(full, 0o700), os.Chmod(full, mode)); err != nil {
		t.Fatal(err)
	}
	return full
}

func (w *rootsWorld) link(t *testing.T, target, name string) string {
	t.Helper()
	full := filepath.Join(w.home, name)
	if err := os.Symlink(target, full); err != nil {
		t.Fatal(err)
	}
	return full
}

func (w *rootsWorld) file(t *testing.T, name string) string {
	t.Helper()
	full := filepath.Join(w.home, name)
	if err := os.WriteFile(full, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return full
}

// tree lists the files below the home.
func (w *rootsWorld) tree(t *testing.T) (names []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(w.home), ".", func(name string, d fs.DirEntry, err error) error {
		names = append(names, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names[1:]
}

func TestOpenRootsCreatesNothing(t *testing.T) {
	w := newRootsWorld(t)
	r := w.mustOpen(t)
	for _, which := range roles {
		if r.Dir(which) != nil {
			t.Errorf("%s is open before it exists", which)
		}
	}
	if got := w.tree(t); len(got) != 0 {
		t.Errorf("made %q", got)
	}
}

func TestCreate(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o022))
	w := newRootsWorld(t)
	r := w.mustOpen(t)
	for _, step := range []struct {
		which Role
		made  []string
	}{
		{State, []string{".local", ".local/state", ".local/state/kist"}},
		{State, nil},
		{Bin, []string{".local/bin", ".local/share", ".local/share/kist"}}, // the data directory comes before it
		{Data, nil},
		{Cache, []string{".cache", ".cache/kist"}},
		{Config, []string{".config", ".config/kist"}},
	} {
		before := w.tree(t)
		dir, err := r.Create(step.which)
		if err != nil {
			t.Fatal(err)
		}
		if dir == nil || r.Dir(step.which) != dir {
			t.Errorf("%s is not open", step.which)
		}
		made := slices.DeleteFunc(w.tree(t), func(name string) bool { return slices.Contains(before, name) || strings.HasSuffix(name, ".json") })
		if !slices.Equal(made, step.made) {
			t.Errorf("%s made %q, want %q", step.which, made, step.made)
		}
		listed, err := r.readMade()
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range made {
			full := filepath.Join(w.home, name)
			info, err := os.Stat(full)
			if err != nil {
				t.Fatal(err)
			}
			want := fs.FileMode(0o755)
			if step.which == Cache || step.which == Config {
				want = 0o700
			}
			if got := info.Mode().Perm(); got != want {
				t.Errorf("%s has mode %o, want %o", name, got, want)
			}
			if !slices.Contains(listed, full) {
				t.Errorf("%s is not in the list of directories that kist made: %q", name, listed)
			}
		}
	}
	again := w.mustOpen(t)
	for _, which := range roles {
		if again.Dir(which) == nil {
			t.Errorf("%s is not open the next time", which)
		}
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	if again.Dir(Data) != nil {
		t.Error("still open after Close")
	}
	if dir, err := again.Create(Data); dir == nil || err != nil {
		t.Errorf("after Close: %v", err)
	}
}

// What RemoveMade leaves is what was there before Create.
func TestRemoveMade(t *testing.T) {
	for _, shared := range []bool{false, true} {
		w := newRootsWorld(t)
		if shared {
			w.dirs.State = w.dirs.Data
		}
		w.mkdir(t, ".cache", 0o755)
		r := w.mustOpen(t)
		before := w.tree(t)
		for _, which := range roles {
			if _, err := r.Create(which); err != nil {
				t.Fatal(err)
			}
		}
		own := w.file(t, ".config/kist/own")
		for _, kept := range []bool{true, false} {
			held, err := r.Lock(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := r.RemoveMade(held); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Lstat(filepath.Join(w.dirs.State, "kist", madeFile)); (err == nil) != kept {
				t.Errorf("kept %v: the list of directories: %v", kept, err)
			}
			if kept {
				if _, err := os.Lstat(own); err != nil {
					t.Error(err)
				}
				os.Remove(own)
			}
		}
		if got := w.tree(t); !slices.Equal(got, before) {
			t.Errorf("left %q, want %q", got, before)
		}
	}
}

// A directory of settings that this user may not read forbids changes, but not reading
// the rest.
func TestUnreadableDirectories(t *testing.T) {
	denied := &fs.PathError{Op: "open", Path: "kist", Err: fs.ErrPermission}
	for _, which := range roles {
		if got, want := mayBeClosed(which, denied), which != Data && which != State; got != want {
			t.Errorf("%s may be closed: %v", which, got)
		}
		if mayBeClosed(which, nil) || mayBeClosed(which, fs.ErrNotExist) {
			t.Errorf("%s counts as closed", which)
		}
	}
	r := newRootsWorld(t).mustOpen(t)
	if _, err := r.Create(Data); err != nil {
		t.Fatal(err)
	}
	r.closed[Config] = denied
	if _, err := r.checkNotes(); err != nil || !errors.Is(r.MayChange(), fs.ErrPermission) || !errors.Is(r.Unreadable(Config), fs.ErrPermission) {
		t.Errorf("%v, %v", err, r.MayChange())
	}
	if _, err := r.Create(Cache); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("create: %v", err)
	}
}

func TestBasesMayShareOneDirectory(t *testing.T) {
	w := newRootsWorld(t)
	w.dirs = Dirs{Data: w.home, State: w.home, Cache: w.home, Config: w.home, Bin: w.home}
	r := w.mustOpen(t)
	for _, which := range Own() {
		dir, err := r.Create(which)
		if err != nil {
			t.Fatal(err)
		}
		if err := dir.Mkdir(string(which), 0o700); err != nil {
			t.Error(err)
		}
	}
	if got, want := w.tree(t), []string{"kist", "kist/cache", "kist/config", "kist/data", "kist/made.json", "kist/state"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestOneUnsafeBaseRefusesAll(t *testing.T) {
	for _, which := range roles {
		w := newRootsWorld(t)
		bad := string(filepath.Separator)
		switch which {
		case Data:
			w.dirs.Data = bad
		case State:
			w.dirs.State = bad
		case Cache:
			w.dirs.Cache = bad
		case Config:
			w.dirs.Config = bad
		case Bin:
			w.dirs.Bin = bad
		}
		r, err := w.open()
		var system *SystemPrefixError
		if r != nil || !errors.As(err, &system) || system.Role != string(which) {
			t.Errorf("%s is %s: %v", which, bad, err)
		}
		if got := w.tree(t); len(got) != 0 {
			t.Errorf("made %q", got)
		}
	}
}

func TestRealRefusals(t *testing.T) {
	for name, test := range map[string]struct {
		base func(t *testing.T, w *rootsWorld) string
		want string // verdict
	}{
		"a system prefix":          {func(t *testing.T, w *rootsWorld) string { return "/usr/share" }, "/usr"},
		"a link to one":            {func(t *testing.T, w *rootsWorld) string { return w.link(t, "/usr/share", "l") }, "/usr"},
		"a link above it":          {func(t *testing.T, w *rootsWorld) string { return w.link(t, "/usr", "l") + "/share/x" }, "/usr"},
		"a chain of links":         {func(t *testing.T, w *rootsWorld) string { w.link(t, "/usr", "a"); return w.link(t, "a/share", "b") }, "/usr"},
		"a link that dangles":      {func(t *testing.T, w *rootsWorld) string { return w.link(t, "/usr/share/kist-is-not-here/x", "l") }, "/usr"},
		"kist is a link":           {func(t *testing.T, w *rootsWorld) string { w.link(t, "/usr/share", "kist"); return w.home }, "/usr"},
		"up and down again":        {func(t *testing.T, w *rootsWorld) string { return w.home + strings.Repeat("/..", 30) + "/usr/share" }, "/usr"},
		"up from nowhere":          {func(t *testing.T, w *rootsWorld) string { return w.home + "/no/../../usr" }, "unsafe: it goes up from {home}/no, which does not exist"},
		"open to all":              {func(t *testing.T, w *rootsWorld) string { return w.mkdir(t, "d", 0o777) }, "unsafe: it can be written by everyone (mode 0777)"},
		"open to all, sticky":      {func(t *testing.T, w *rootsWorld) string { return w.mkdir(t, "d", 0o777|fs.ModeSticky) }, "unsafe: it can be written by everyone (mode 0777)"},
		"a kist open to all":       {func(t *testing.T, w *rootsWorld) string { return filepath.Dir(w.mkdir(t, "d/kist", 0o702)) }, "unsafe: it can be written by everyone (mode 0702)"},
		"a link to one so":         {func(t *testing.T, w *rootsWorld) string { w.mkdir(t, "d", 0o777); return w.link(t, "d", "l") }, "unsafe: it can be written by everyone (mode 0777)"},
		"a file":                   {func(t *testing.T, w *rootsWorld) string { return w.file(t, "f") }, "unsafe: {home}/f is not a directory"},
		"below a file":             {func(t *testing.T, w *rootsWorld) string { return w.file(t, "f") + "/x" }, "unsafe: {home}/f is not a directory"},
		"kist is a file":           {func(t *testing.T, w *rootsWorld) string { w.file(t, "kist"); return w.home }, "unsafe: {home}/kist is not a directory"},
		"in a toolchain":           {func(t *testing.T, w *rootsWorld) string { return w.mkdir(t, "kist/prefixes/go-go-1-00000000/x", 0o700) }, "unsafe: it lies inside {home}/kist/prefixes/go-go-1-00000000, which only kist itself fills"},
		"relative":                 {func(t *testing.T, w *rootsWorld) string { return "share" }, "unsafe: it is not absolute"},
		"links in a circle":        {func(t *testing.T, w *rootsWorld) string { return w.link(t, "l", "l") }, "unsafe: {home}/l: too many links"},
		"honest: missing":          {func(t *testing.T, w *rootsWorld) string { return w.home + "/a/b/c" }, "ok"},
		"honest: a link":           {func(t *testing.T, w *rootsWorld) string { w.mkdir(t, "d", 0o755); return w.link(t, "d", "l") }, "ok"},
		"honest: one that dangles": {func(t *testing.T, w *rootsWorld) string { return w.link(t, "new/dir", "l") }, "ok"},
		"honest: kist is a link": {func(t *testing.T, w *rootsWorld) string {
			w.mkdir(t, "d", 0o700)
			w.link(t, "d", "kist")
			return w.home
		}, "ok"},
		"honest: up and down":      {func(t *testing.T, w *rootsWorld) string { return w.mkdir(t, "d", 0o700) + "/../e" }, "ok"},
		"honest: for the group":    {func(t *testing.T, w *rootsWorld) string { return w.mkdir(t, "d", 0o775) }, "ok"},
		"honest: a trailing slash": {func(t *testing.T, w *rootsWorld) string { return w.mkdir(t, "d", 0o755) + "//" }, "ok"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newRootsWorld(t)
			w.dirs.Data = test.base(t, w)
			before := w.tree(t)
			r, err := w.open()
			want := strings.ReplaceAll(test.want, "{home}", w.home)
			if got := verdict(err); got != want {
				t.Fatalf("%s: %s, want %s", w.dirs.Data, got, want)
			}
			if err != nil {
				if got := w.tree(t); !slices.Equal(got, before) {
					t.Errorf("changed %q to %q", before, got)
				}
				return
			}
			defer r.Close()
			dir, err := r.Create(Data)
			if err != nil {
				t.Fatal(err)
			}
			if err := dir.Mkdir("probe", 0o700); err != nil {
				t.Fatal(err)
			}
			if info, err := os.Stat(w.dirs.Data + "/kist/probe"); err != nil || !info.IsDir() {
				t.Errorf("what is made there is not there: %v", err)
			}
		})
	}
}

// Between the check and the opening, someone replaces the directory.
func TestOpenCheckedRefusesReplacedDirectory(t *testing.T) {
	w := newRootsWorld(t)
	w.dirs.Data = w.mkdir(t, "d", 0o755)
	r := w.mustOpen(t)
	p, err := r.check(Data)
	if err != nil {
		t.Fatal(err)
	}
	if dir, err := openChecked(Data, p); err != nil {
		t.Fatalf("unchanged: %v", err)
	} else {
		dir.Close()
	}
	if err := os.Rename(w.dirs.Data, w.dirs.Data+"-moved"); err != nil {
		t.Fatal(err)
	}
	for what, replace := range map[string]func(){
		"another directory": func() { w.mkdir(t, "d", 0o755) },
		"a link":            func() { os.Remove(w.dirs.Data); w.link(t, "/usr/share", "d") },
	} {
		replace()
		var unsafe *UnsafeDirError
		if dir, err := openChecked(Data, p); !errors.As(err, &unsafe) || dir != nil {
			t.Errorf("%s: %v", what, err)
		}
		os.Remove(w.dirs.Data)
	}
}

func TestCreateChecksAgain(t *testing.T) {
	w := newRootsWorld(t)
	r := w.mustOpen(t)
	w.mkdir(t, ".local", 0o755)
	w.link(t, "/usr/share", ".local/share")
	if dir, err := r.Create(Data); verdict(err) != "/usr" || dir != nil {
		t.Errorf("a directory that became a link: %v", err)
	}
	os.Remove(filepath.Join(w.home, ".local/share"))
	w.mkdir(t, ".cache", 0o777)
	if dir, err := r.Create(Cache); !strings.Contains(verdict(err), "written by everyone") || dir != nil {
		t.Errorf("a directory that was opened to all: %v", err)
	}
	w.mkdir(t, ".config/kist", 0o755)
	if dir, err := r.Create(Config); dir == nil || err != nil {
		t.Errorf("a directory that another kist made: %v", err)
	}
}

func TestWarnsOnce(t *testing.T) {
	w := newRootsWorld(t)
	open := w.mkdir(t, "open", 0o777)
	w.dirs = Dirs{Data: open + "/data", State: open + "/state", Cache: open + "/cache", Config: open + "/config", Bin: open + "/bin"}
	w.mustOpen(t)
	if len(w.warned) != 1 || !strings.HasPrefix(w.warned[0], open+" can be written by everyone") {
		t.Errorf("told %q", w.warned)
	}
}
