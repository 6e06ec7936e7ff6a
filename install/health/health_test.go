package health

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/cache"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/verify"
)

var now = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// healthy returns a machine on which nothing is wrong: the honest twin of every test.
func healthy() Host {
	return Host{
		OS: "linux", Now: now, Home: "/home/ann", User: "ann", Shell: "bash", Bin: "/home/ann/.local/bin",
		Getenv:   func(string) string { return "" },
		ReadFile: func(string) ([]byte, error) { return nil, fs.ErrNotExist },
		Directories: func() ([]install.Diagnosis, error) {
			return []install.Diagnosis{directory()}, nil
		},
		Settings:   func() []Settings { return []Settings{{Kind: "policy", Path: "/etc/kist/policy.toml"}} },
		Sandbox:    func() (string, []string, error) { return "process limits, Landlock 7", nil, nil },
		Spaces:     func() []Space { return []Space{{"data", "/home/ann/.local/share", 5 << 30, 1 << 20, 1}} },
		Holder:     func() (string, bool, error) { return "", false, nil },
		Leftovers:  func() ([]install.Leftover, error) { return nil, nil },
		Obstacles:  func() ([]install.Leftover, error) { return nil, nil },
		Obstructed: func() ([]string, error) { return nil, nil },
		Damaged:    func() map[record.ID]error { return nil },
		Missing:    func() []*install.MissingError { return nil },
		Marks: func() ([]verify.Mark, []install.Leftover, error) {
			return []verify.Mark{{Channel: "acme", Issued: now.Add(-time.Hour)}}, nil, nil
		},
		Channels: func() ([]Channel, error) {
			return []Channel{{Name: "acme", Added: true, URLs: []string{"https://ann:pw@acme.example/"}, Shown: []string{"https://acme.example/"}}}, nil
		},
		Cache:    func() ([]cache.Item, error) { return nil, nil },
		OnPath:   true,
		Commands: func() []string { return []string{"cargo", "go", "rustc"} },
		HiddenBy: func(string) string { return "" },
		Reach:    func(context.Context, string) error { return nil },
	}
}

// directory returns a directory with which nothing is wrong.
func directory() install.Diagnosis {
	return install.Diagnosis{Role: "data", Path: "/home/ann/.local/share/kist", At: "/home/ann/.local/share/kist", Exists: true,
		Mode: fs.ModeDir | 0o755, UID: 1000, Owner: "ann (user 1000)"}
}

// env returns a Getenv.
func env(pairs ...string) func(string) string {
	return func(name string) string { return host.Getenv(pairs, name) }
}

// files returns a ReadFile.
func files(content map[string]string) func(string) ([]byte, error) {
	return func(path string) ([]byte, error) {
		text, ok := content[path]
		if !ok {
			return nil, fs.ErrNotExist
		}
		return []byte(text), nil
	}
}

func TestNothingIsWrong(t *testing.T) {
	if r := Examine(t.Context(), healthy(), true); len(r.Findings) > 0 || len(r.Facts) < 4 {
		t.Errorf("%+v", r)
	}
}

// Each fault is found by its check, with the severity, a part of what is said, and the command
// that fixes it; and no other check finds anything.
func TestChecks(t *testing.T) {
	dir := func(change func(*install.Diagnosis)) func(*Host) {
		return func(h *Host) {
			d := directory()
			change(&d)
			h.Directories = func() ([]install.Diagnosis, error) { return []install.Diagnosis{d, d}, nil }
		}
	}
	failing := errors.New("input/output error")
	for _, test := range []struct {
		name     string
		fault    func(*Host)
		check    string
		severity Severity
		says     string
		fix      string
	}{
		{"open to all", dir(func(d *install.Diagnosis) { d.ByAll, d.Err = true, &install.UnsafeDirError{Role: "data"} }), "directories", Problem, "by everyone", "chmod go-w /home/ann/.local/share/kist"},
		{"open to a group", dir(func(d *install.Diagnosis) { d.ByGroup = true }), "directories", Warning, "by its group", "chmod g-w /home/ann/.local/share/kist"},
		{"another user's", dir(func(d *install.Diagnosis) {
			d.Owner, d.Err = "bob (user 1001)", &install.UnsafeDirError{Role: "data", Path: d.Path, Why: "it belongs to bob"}
		}), "directories", Problem, "belongs to bob", "sudo chown -R ann /home/ann/.local/share/kist"},
		{"another user's, by a variable", func(h *Host) {
			dir(func(d *install.Diagnosis) { d.Owner, d.Err = "bob (user 1001)", &install.UnsafeDirError{Role: "data"} })(h)
			h.Getenv = env("XDG_DATA_HOME=/home/bob/share")
		}, "directories", Problem, "belongs to bob", "unset XDG_DATA_HOME"},
		{"root's, in the home", dir(func(d *install.Diagnosis) { d.Owner, d.Err = "root", &install.OwnerError{Role: "data"} }), "directories", Problem, "belongs to root", "sudo chown -R ann /home/ann/.local/share/kist"},
		{"root's, open to a group", dir(func(d *install.Diagnosis) {
			d.ByGroup, d.Owner, d.Err = true, "root", &install.UnsafeDirError{Role: "data"}
		}), "directories", Problem, "by its group", "sudo chmod g-w /home/ann/.local/share/kist"},
		{"closed to its owner", dir(func(d *install.Diagnosis) { d.Mode = fs.ModeDir | 0o555 }), "directories", Problem, "mode 0555", "chmod u+rwx /home/ann/.local/share/kist"},
		{"above, everyone can write", dir(func(d *install.Diagnosis) { d.Above = []string{"/data/a b"} }), "directories", Warning, "/data/a b", "sudo chmod +t '/data/a b'"},
		{"of the system", func(h *Host) {
			dir(func(d *install.Diagnosis) {
				d.Err = &install.SystemPrefixError{Role: "data", Path: "/usr/x", Rule: "/usr"}
			})(h)
			h.Getenv = env("XDG_DATA_HOME=/usr/x")
		}, "directories", Problem, "belongs to the system", "unset XDG_DATA_HOME"},
		{"directories unknown", func(h *Host) {
			h.Directories = func() ([]install.Diagnosis, error) { return nil, failing }
		}, "directories", Problem, "input/output error", ""},

		{"places", func(h *Host) {
			h.OpenErr = &install.OtherPlaceError{Role: "state", Base: "/home/ann/.state"}
		}, "store", Problem, "belongs with", "export XDG_STATE_HOME=/home/ann/.state"},
		{"a link", func(h *Host) {
			h.ChangeErr = &install.BecameLinkError{Role: "data", Is: "/mnt/kist"}
		}, "store", Problem, "through a link", "export XDG_DATA_HOME=/mnt"},
		{"a note", func(h *Host) { h.OpenErr = &install.NoteError{Path: "/p/places.json", Err: failing} }, "store", Problem, "places.json", "rm /p/places.json"},
		{"not mounted", func(h *Host) { h.ChangeErr = &install.UnmountedError{Role: "data", Note: "/p/places.json"} }, "store", Problem, "not to be mounted", ""},
		{"a generation", func(h *Host) { h.OpenErr = &install.GenerationError{Err: failing} }, "store", Problem, "input/output", "kist uninstall --all"},
		{"no home", func(h *Host) { h.OpenErr = &host.NoHomeError{Home: "x"} }, "store", Problem, "HOME", `export HOME="$(eval echo ~"$(id -un)")"`},
		{"moved", func(h *Host) { h.Moved = &install.RelocatedError{From: "/a", To: "/b"} }, "store", Warning, "was moved", "kist repair --relocated"},

		{"a receipt", func(h *Host) { h.Damaged = func() map[record.ID]error { return map[record.ID]error{"x": failing} } }, "receipts", Problem, "receipt of x", ""},
		{"gone", func(h *Host) {
			h.Missing = func() []*install.MissingError {
				return []*install.MissingError{{Release: "acme/x@1", Path: "/p", Err: fs.ErrNotExist}}
			}
		}, "toolchains", Problem, "acme/x@1 was installed", "kist repair"},
		{"a lock", func(h *Host) {
			h.Obstacles = func() ([]install.Leftover, error) {
				return []install.Leftover{{Path: "/d/lock", Reason: "is another file"}}, nil
			}
		}, "lock", Problem, "/d/lock", "mv /d/lock /d/lock.old"},
		{"left", func(h *Host) {
			h.Leftovers = func() ([]install.Leftover, error) {
				return slices.Repeat([]install.Leftover{{Path: "/d/stage/1", Reason: "r"}}, 9), nil
			}
		}, "leftovers", Warning, "and 4 more", "kist repair"},
		{"leftovers unknown", func(h *Host) { h.Leftovers = func() ([]install.Leftover, error) { return nil, failing } }, "leftovers", Problem, "input/output error", ""},
		{"a command's name", func(h *Host) { h.Obstructed = func() ([]string, error) { return []string{"/b/go"}, nil } }, "links", Problem, "/b/go", "mv /b/go /b/go.old && kist repair"},

		{"not on PATH", func(h *Host) { h.OnPath = false }, "path", Problem, "not on PATH", `echo 'export PATH="$HOME/.local/bin:$PATH"' >>~/.profile`},
		{"not on PATH yet", func(h *Host) {
			h.OnPath, h.ReadFile = false, files(map[string]string{"/home/ann/.bash_profile": "PATH=~/.local/bin:$PATH\n"})
		}, "path", Warning, ".bash_profile", "exec bash -l"},
		{"not on PATH of zsh", func(h *Host) { h.OnPath, h.Shell = false, "zsh" }, "path", Problem, "", `echo 'export PATH="$HOME/.local/bin:$PATH"' >>~/.zprofile`},
		{"not on PATH of fish", func(h *Host) { h.OnPath, h.Shell = false, "fish" }, "path", Problem, "", `fish -c 'fish_add_path --prepend --move /home/ann/.local/bin'`},
		{"not on PATH of Windows", func(h *Host) {
			h.OS, h.OnPath, h.Bin = "windows", false, `C:\k`
		}, "path", Problem, "", `powershell -NoProfile -Command "[Environment]::SetEnvironmentVariable('Path', 'C:\k' + ';' + [Environment]::GetEnvironmentVariable('Path', 'User'), 'User')"`},
		{"hidden", func(h *Host) {
			h.HiddenBy = func(name string) string {
				if name == "go" {
					return ""
				}
				return "/home/ann/.cargo/bin/" + name
			}
		}, "hidden", Warning, "of rustup, comes before /home/ann/.local/bin on PATH and hides 2 of kist's commands: cargo, rustc", `echo 'export PATH="$HOME/.local/bin:$PATH"' >>~/.profile`},

		{"little space", func(h *Host) { h.Spaces = func() []Space { return []Space{{"data", "/d", 500 << 20, 1 << 20, 1}} } }, "space", Warning, "524.3 MB", "kist gc"},
		{"no space", func(h *Host) {
			h.Spaces = func() []Space { return []Space{{"data", "/d", 0, 1 << 20, 1}, {"bin", "/b", 0, 1 << 20, 1}} }
			h.Cache = func() ([]cache.Item, error) {
				return []cache.Item{{Kind: cache.Archive, Size: 5, Modified: now}}, nil
			}
		}, "space", Problem, "only 0 B", "kist cache prune --all"},
		{"few inodes", func(h *Host) { h.Spaces = func() []Space { return []Space{{"data", "/d", 5 << 30, 5000, 1}} } }, "space", Warning, "5000 more files", "kist gc"},
		{"no inodes", func(h *Host) { h.Spaces = func() []Space { return []Space{{"data", "/d", 5 << 30, 0, 1}} } }, "space", Problem, "0 more files", "kist gc"},

		{"the clock", func(h *Host) { h.Now = now.Add(-2 * time.Hour) }, "clock", Problem, "channel acme signed", "sudo timedatectl set-ntp true"},
		{"the clock, by a line", func(h *Host) {
			h.Marks = func() ([]verify.Mark, []install.Leftover, error) {
				return []verify.Mark{{Channel: "rust", Lines: map[string]verify.Mark{"stable": {Issued: now.Add(time.Hour)}}}}, nil, nil
			}
		}, "clock", Problem, "channel rust signed", "sudo timedatectl set-ntp true"},
		{"a mark", func(h *Host) {
			h.Marks = func() ([]verify.Mark, []install.Leftover, error) {
				return nil, []install.Leftover{{Path: "/s/marks/acme.json", Reason: "EOF"}}, nil
			}
		}, "marks", Problem, "acme.json cannot be read: EOF", "kist channel refresh acme"},

		{"a channel", channel(Channel{Name: "acme", Added: true, Err: failing}), "channels", Problem, "channel acme: input", "kist channel remove acme"},
		{"a rule", channel(Channel{Name: "acme", Added: true, Err: &channels.RuleError{File: "/etc/kist/policy.toml", Channel: "acme"}}), "channels", Problem, "policy.toml", "kist channel remove acme"},
		{"a key that expires", channel(Channel{Name: "acme", Keys: []verify.Finding{{Problem: "key X expires"}}}), "channels", Warning, "key X expires", "kist channel refresh acme"},
		{"a key that expired", channel(Channel{Name: "acme", Keys: []verify.Finding{{Problem: "key X expired", Refuse: true}}}), "channels", Problem, "key X expired", "kist channel refresh acme"},
		{"channels unknown", func(h *Host) { h.Channels = func() ([]Channel, error) { return nil, failing } }, "channels", Problem, "input/output error", ""},

		{"settings", settings(Settings{"settings", "/c/config.toml", failing, false}), "settings", Problem, "no channel is asked", `"${EDITOR:-vi}" /c/config.toml`},
		{"a policy", settings(Settings{"policy", "/c/policy.toml", failing, false}), "settings", Problem, "no channel is trusted", `"${EDITOR:-vi}" /c/policy.toml`},
		{"settings of others", settings(Settings{"settings", "/c/config.toml", failing, true}), "settings", Problem, "by other users", "chmod go-w /c/config.toml"},
		{"settings that are closed", settings(Settings{"policy", "/c/policy.toml", fs.ErrPermission, false}), "settings", Problem, "cannot be read", "sudo chmod a+r /c/policy.toml"},

		{"a large cache", func(h *Host) {
			h.CacheMax = 10
			h.Cache = func() ([]cache.Item, error) {
				return []cache.Item{{Kind: cache.Archive, Size: 11, Modified: now}}, nil
			}
		}, "cache", Warning, "may have 10 B", "kist cache prune --all --max-size '10 B'"},
		{"partial downloads", func(h *Host) {
			h.Cache = func() ([]cache.Item, error) {
				return []cache.Item{{Kind: cache.Partial, Size: 11, Modified: now.AddDate(0, 0, -8)}}, nil
			}
		}, "cache", Warning, "partial downloads", "kist cache prune --older-than 7d"},
		{"a closed cache", func(h *Host) { h.Cache = func() ([]cache.Item, error) { return nil, failing } }, "cache", Problem, "input/output error", ""},
		{"no /proc", func(h *Host) {
			h.Sandbox = func() (string, []string, error) { return "", nil, &install.NoProcError{Err: failing} }
		}, "sandbox", Problem, "/proc is not mounted", "sudo mount -t proc proc /proc"},
		{"a proxy", func(h *Host) { h.Getenv = env("https_proxy=gopher://x:secret@y") }, "proxy", Problem, "https_proxy", "unset https_proxy"},
		{"no certificates", func(h *Host) {
			h.Getenv, h.ReadFile = env("SSL_CERT_FILE=/x.pem"), files(map[string]string{"/x.pem": "none"})
		}, "certificates", Problem, "holds no certificate", "unset SSL_CERT_FILE"},
		{"no directory of certificates", func(h *Host) { h.Getenv = env("SSL_CERT_DIR=/certs") }, "certificates", Problem, "/certs", "unset SSL_CERT_DIR"},
		{"a dead server", func(h *Host) {
			h.Reach = func(context.Context, string) error { return manifests.ErrUnreachable }
		}, "network", Problem, "does not answer at https://acme.example/", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := healthy()
			test.fault(&h)
			r := Examine(t.Context(), h, true)
			if len(r.Findings) != 1 {
				t.Fatalf("findings: %+v", r.Findings)
			}
			f := r.Findings[0]
			if f.Check != test.check || f.Severity != test.severity || f.Fix != test.fix || f.Why == "" ||
				!strings.Contains(f.What+f.Why, test.says) {
				t.Errorf("got %+v", f)
			}
			if text := fmt.Sprintf("%+v", r); strings.Contains(text, "secret") || strings.Contains(text, "pw@") {
				t.Errorf("it shows a password: %s", text)
			}
		})
	}
}

func channel(c Channel) func(*Host) {
	return func(h *Host) { h.Channels = func() ([]Channel, error) { return []Channel{c}, nil } }
}

func settings(s Settings) func(*Host) {
	return func(h *Host) { h.Settings = func() []Settings { return []Settings{s} } }
}

// What looks like a fault and is none.
func TestNoFindings(t *testing.T) {
	for name, twin := range map[string]func(*Host){
		"a store of root's": func(h *Host) {
			d := directory()
			d.Path, d.At = "/opt/kist/data/kist", "/opt/kist/data/kist"
			d.Owner, d.Mode, d.Err = "root", fs.ModeDir|0o755, &install.OwnerError{Role: "data", Path: d.Path, Owner: "root"}
			h.Directories = func() ([]install.Diagnosis, error) { return []install.Diagnosis{d}, nil }
			h.ChangeErr = d.Err
		},
		"nothing is installed, and PATH lacks the directory": func(h *Host) {
			h.OnPath, h.Commands = false, func() []string { return nil }
		},
		"another kist is at work": func(h *Host) {
			h.Holder = func() (string, bool, error) { return "7 kist install", true, nil }
			h.Leftovers = func() ([]install.Leftover, error) { return []install.Leftover{{Path: "/d/stage/1"}}, nil }
		},
		"a clock that is minutes behind": func(h *Host) { h.Now = now.Add(-65 * time.Minute) },
		"no settings":                    settings(Settings{"settings", "/c/config.toml", fs.ErrNotExist, false}),
		"a young partial download": func(h *Host) {
			h.Cache = func() ([]cache.Item, error) { return []cache.Item{{Kind: cache.Partial, Modified: now}}, nil }
		},
		"a proxy": func(h *Host) { h.Getenv = env("HTTPS_PROXY=proxy.example:3128", "ALL_PROXY=socks5h://[::1]:9") },
		"certificates": func(h *Host) {
			h.Getenv, h.ReadFile = env("SSL_CERT_FILE=/x.pem"), files(map[string]string{"/x.pem": "-----BEGIN CERTIFICATE-----"})
		},
		"a server without that file":     func(h *Host) { h.Reach = func(context.Context, string) error { return manifests.ErrNotFound } },
		"a mark that checkMarks reports": channel(Channel{Name: "acme", Err: &verify.MarkError{}}),
		"a kernel that lacks something": func(h *Host) {
			h.Sandbox = func() (string, []string, error) { return "none", []string{"Landlock"}, nil }
		},
		"two directories of one file system": func(h *Host) {
			h.Spaces = func() []Space { return []Space{{"data", "/d", 5 << 30, 1 << 20, 1}, {"bin", "/b", 0, 0, 1}} }
		},
	} {
		h := healthy()
		twin(&h)
		if r := Examine(t.Context(), h, true); len(r.Findings) > 0 {
			t.Errorf("%s: %+v", name, r.Findings)
		}
	}
}

// A check that panics or hangs is a finding, and the others run.
func TestChecksAreApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := healthy()
		h.Leftovers = func() ([]install.Leftover, error) { panic("boom") }
		hang := make(chan struct{})
		defer close(hang)
		h.Cache = func() ([]cache.Item, error) { <-hang; return nil, nil }
		h.Settings = func() []Settings { return []Settings{{"policy", "/p", errors.New("bad"), false}} }
		h.Reach = func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }
		begin := time.Now()
		r := Examine(t.Context(), h, true)
		var got []string
		for _, f := range r.Findings {
			got = append(got, f.Check)
		}
		if want := []string{"leftovers", "space", "settings", "cache", "network"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q: %+v", got, want, r.Findings)
		}
		if took := time.Since(begin); took > 3*checkTime+networkTime {
			t.Errorf("it took %v", took)
		}
	})
}

// Many servers are asked, but not for longer than networkTime.
func TestNetworkIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := healthy()
		h.Channels = func() ([]Channel, error) {
			var many []string
			for n := range 1000 {
				many = append(many, fmt.Sprintf("https://%d.example/", n))
			}
			return []Channel{{Name: "acme", URLs: many, Shown: many}}, nil
		}
		h.Reach = func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }
		begin := time.Now()
		r := Examine(t.Context(), h, true)
		if took := time.Since(begin); took > networkTime+checkTime || len(r.Findings) != maxAsked {
			t.Errorf("%d findings after %v", len(r.Findings), took)
		}
	})
}

func TestManagerOf(t *testing.T) {
	for dir, want := range map[string]string{
		"/home/ann/.cargo/bin": "rustup", "/home/ann/.local/share/mise/shims": "mise", "/home/ann/.asdf/shims": "asdf",
		"/home/ann/.nvm/versions/node/v22.1.0/bin": "nvm", "/home/ann/.pyenv/shims": "pyenv", "/opt/homebrew/bin": "Homebrew",
		"/home/linuxbrew/.linuxbrew/bin": "Homebrew", "/usr/bin": "", "/home/ann/bin": "", "/home/ann/.nvmrc": "",
	} {
		if got := managerOf(dir); got != want {
			t.Errorf("%s: %q, want %q", dir, got, want)
		}
	}
}

func TestNamesAny(t *testing.T) {
	names := []string{"/home/ann/.local/bin", "$HOME/.local/bin"}
	for text, want := range map[string]bool{
		"export PATH=/home/ann/.local/bin:$PATH\n":             true,
		"PATH=\"$HOME/.local/bin:$PATH\"":                      true,
		"  PATH=$HOME/.local/bin":                              true,
		"# PATH=$HOME/.local/bin:$PATH\n":                      false,
		"PATH=$HOME/.local/binaries:$PATH\n":                   false,
		"PATH=$HOME/.local/binaries:$HOME/.local/bin/:$PATH\n": true,
		"eval \"$($HOME/.local/bin/mise env)\"":                false,
		"":                                                     false,
	} {
		if got := namesAny(text, names); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
