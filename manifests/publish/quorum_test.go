package publish_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"

	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
	"github.com/kist-tools/kist/verify/verifytest/short"
)

// scene is a channel directory in the middle of a change, whose next step is killed.
type scene struct {
	*desk
	who    map[string]*verifytest.Key
	secret map[string]*verify.SecretKey
}

func newScene(t *testing.T, names ...string) *scene {
	s := &scene{newDesk(t), map[string]*verifytest.Key{}, map[string]*verify.SecretKey{}}
	for _, name := range names {
		s.who[name], s.secret[name] = s.signer(name)
	}
	return s
}

func (s *scene) keys(names ...string) (all [][]byte) {
	for _, name := range names {
		all = append(all, s.who[name].Public(s))
	}
	return all
}

func (s *scene) signs(name string) { s.must(s.Sign(s.secret[name], s.stamp())) }

func (s *scene) signsKeys(name string) { s.must(s.SignKeys(s.secret[name], s.stamp())) }

func (s *scene) must(_ any, err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// copyTo copies the directory.
func (s *scene) copyTo(dir string) *os.Root {
	s.Helper()
	if err := os.CopyFS(dir, s.Root.FS()); err != nil {
		s.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { root.Close() })
	return root
}

// TestKilledAtAnyMoment: after each file that is written, the process dies. Users
// of any keys that ever signed can then still use what is published, and running
// the same again brings the same end.
func TestKilledAtAnyMoment(t *testing.T) {
	type row struct {
		prepare func(s *scene)
		step    func(s *scene) error
		end     func(s *scene) error // what must hold after the step, whole or repeated
		users   [][]string           // keys that users were given, all of whom must sign
	}
	for name, test := range short.Rows(t, map[string]row{
		"the first edition": {
			func(s *scene) { s.add(addition("1.0.0", "any", "one")) },
			func(s *scene) error { _, err := s.Sign(s.secret["a"], s.stamp()); return err },
			func(s *scene) error { return s.serves("a") },
			nil,
		},
		"a new edition": {
			func(s *scene) {
				s.add(addition("1.0.0", "any", "one"))
				s.signs("a")
				s.add(addition("1.1.0", "any", "two"))
			},
			func(s *scene) error { _, err := s.Sign(s.secret["a"], s.stamp()); return err },
			func(s *scene) error { return s.offers("1.1.0") },
			[][]string{{"a"}},
		},
		"the first signer of two": {
			twoSigners,
			func(s *scene) error { _, err := s.Sign(s.secret["a"], s.stamp()); return err },
			func(s *scene) error { return s.waits() },
			[][]string{{"a", "b"}},
		},
		"the second signer of two": {
			func(s *scene) { twoSigners(s); s.signs("a") },
			func(s *scene) error { _, err := s.Sign(s.secret["b"], s.stamp()); return err },
			func(s *scene) error { return s.offers("1.1.0") },
			[][]string{{"a", "b"}},
		},
		"a signature from elsewhere": {
			func(s *scene) { twoSigners(s); s.signs("a") },
			func(s *scene) error {
				data, err := s.Root.ReadFile(publish.NextFile)
				if errors.Is(err, fs.ErrNotExist) { // done before it was killed
					return nil
				}
				_, err = s.Attach(s.who["b"].Sign(s, data, s.now), s.now)
				return err
			},
			func(s *scene) error { return s.offers("1.1.0") },
			[][]string{{"a", "b"}},
		},
		"the last signature of a keys document": {
			func(s *scene) {
				s.add(addition("1.0.0", "any", "one"))
				s.signs("a")
				s.prepare(publish.KeysChange{Keys: s.keys("a")})
				s.signsKeys("a")
				s.prepare(publish.KeysChange{Keys: s.keys("b")})
				s.signsKeys("b")
				s.signs("b")
			},
			func(s *scene) error {
				if pending, err := s.KeysPending(); err != nil || !pending {
					return err
				}
				_, err := s.SignKeys(s.secret["a"], s.stamp())
				return err
			},
			func(s *scene) error { return s.serves("a") },
			[][]string{{"a"}},
		},
		"the signature that a keys document waits for": {
			func(s *scene) {
				s.add(addition("1.0.0", "any", "one"))
				s.signs("a")
				s.prepare(publish.KeysChange{Keys: s.keys("a")})
				s.signsKeys("a")
				s.prepare(publish.KeysChange{Keys: s.keys("b")})
				s.signsKeys("b")
				s.signsKeys("a")
			},
			func(s *scene) error { _, err := s.Sign(s.secret["b"], s.stamp()); return err },
			func(s *scene) error {
				if pending, err := s.KeysPending(); err != nil || pending {
					return fmt.Errorf("the keys wait still: %v", err)
				}
				return s.serves("a")
			},
			[][]string{{"a"}},
		},
	}, 2) {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, "a", "b")
			test.prepare(s)
			honest := s.Root
			for n := 1; ; n++ {
				s.Root = s.as(honest, t.TempDir())
				writes, killed := 0, errors.New("killed")
				err := func() (err error) {
					defer func() {
						if p := recover(); p == killed {
							err = killed
						} else if p != nil {
							panic(p)
						}
					}()
					s.Wrote = func(string) {
						for _, keys := range test.users {
							if err := s.serves(keys...); err != nil {
								t.Errorf("after write %d: %v", writes+1, err)
							}
						}
						if writes++; writes == n {
							panic(killed)
						}
					}
					return test.step(s)
				}()
				s.Wrote = nil
				if err == nil && n == 1 {
					t.Error("nothing was written")
				}
				if err == nil {
					break
				}
				if err != killed {
					t.Fatal(err)
				}
				if err := test.step(s); err != nil {
					t.Fatalf("killed after write %d, and run again: %v", n, err)
				}
				if err := test.end(s); err != nil {
					t.Errorf("killed after write %d, and run again: %v", n, err)
				}
			}
			if err := test.end(s); err != nil {
				t.Error(err)
			}
		})
	}
}

// as is a copy of root in dir.
func (s *scene) as(root *os.Root, dir string) *os.Root {
	was := s.Root
	defer func() { s.Root = was }()
	s.Root = root
	return s.copyTo(dir)
}

func twoSigners(s *scene) {
	s.prepare(publish.KeysChange{Keys: s.keys("a", "b"), Threshold: 2})
	s.signsKeys("a")
	s.signsKeys("b")
	s.add(addition("1.0.0", "any", "one"))
	s.signs("a")
	s.signs("b")
	s.add(addition("1.1.0", "any", "two"))
}

// serves reports whether users who were given keys, and want all of them, can use
// what is published.
func (s *scene) serves(keys ...string) error {
	_, err := s.Verify(publish.Verification{Now: s.now, Threshold: len(keys), Keys: s.keys(keys...)})
	return err
}

// offers demands that a version is published.
func (s *scene) offers(version string) error {
	report, err := s.Verify(publish.Verification{Now: s.now, Threshold: 1})
	if err != nil {
		return err
	}
	for _, r := range report.Manifest.Releases {
		if r.Version == version {
			return nil
		}
	}
	return fmt.Errorf("%s is not published", version)
}

// waits demands that a manifest waits for signatures and has one.
func (s *scene) waits() error {
	if !s.has(publish.NextFile) || !s.has(publish.NextFile+".asc") || s.has(publish.DraftFile) {
		return errors.New("no manifest waits, or there is a draft still")
	}
	return s.offers("1.0.0")
}

// Five signers must, and ten do: more signatures than a block holds, while one edition
// replaces another.
func TestManySigners(t *testing.T) {
	names := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}
	s := newScene(t, names...)
	s.prepare(publish.KeysChange{Keys: s.keys(names...), Threshold: publish.MaxThreshold})
	for _, name := range names {
		s.signsKeys(name)
	}
	s.prepare(publish.KeysChange{}) // the same again: a document of twenty signatures replaces one of ten
	for _, name := range names {
		s.signsKeys(name)
	}
	for _, version := range []string{"1.0.0", "1.1.0", "1.2.0"}[:3/short.Step(t, 3)] {
		s.add(addition(version, "any", version))
		s.Wrote = func(string) {
			if s.has(publish.ManifestFile) {
				if err := s.serves(names...); err != nil {
					t.Error(err)
				}
			}
		}
		for _, name := range names {
			s.signs(name)
		}
		s.Wrote = nil
		if err := s.offers(version); err != nil {
			t.Error(err)
		}
	}
}

// Without keys.toml, users were given the keys of those who signed what is
// published: a new edition needs all of them.
func TestWithoutKeysDocument(t *testing.T) {
	s := newScene(t, "a", "b", "c")
	s.add(addition("1.0.0", "any", "one"))
	s.signs("a")
	s.add(addition("1.1.0", "any", "two"))
	if signed, err := s.Sign(s.secret["b"], s.stamp()); err != nil || signed.Published || signed.Signers != (publish.Quorum{Need: 1}) {
		t.Errorf("a stranger's edition: %+v, %v", signed, err)
	}
	if err := s.serves("a"); err != nil {
		t.Error(err)
	}
	if signed, err := s.Sign(s.secret["a"], s.stamp()); err != nil || !signed.Published || len(signed.Claims) != 2 {
		t.Errorf("the first signer: %+v, %v", signed, err)
	}
	if err := s.serves("a", "b"); err != nil {
		t.Error(err)
	}
	s.add(addition("1.2.0", "any", "three"))
	if signed, err := s.Sign(s.secret["a"], s.stamp()); err != nil || signed.Published || signed.Signers != (publish.Quorum{Need: 2, Have: 1}) {
		t.Errorf("one of the two: %+v, %v", signed, err)
	}
	// A keys document says that one is enough, once both have signed it.
	s.prepare(publish.KeysChange{Keys: s.keys("a", "b")})
	s.signsKeys("a")
	if s.has(publish.RotationFile) {
		t.Error("one of two put a keys document in force")
	}
	s.signsKeys("b")
	if signed, err := s.Sign(s.secret["a"], s.stamp()); err != nil || !signed.Published || !signed.Unchanged {
		t.Errorf("with a keys document of threshold 1: %+v, %v", signed, err)
	}
	if err := s.offers("1.2.0"); err != nil {
		t.Error(err)
	}
	// What nobody can accept any more keeps nothing back.
	s.now = s.now.Add(2 * publish.DefaultValidity)
	if signed, err := s.Sign(s.secret["b"], s.stamp()); err != nil || !signed.Published {
		t.Errorf("after it expired: %+v, %v", signed, err)
	}
}

// A manifest that a text editor left in channel.toml, and that two must sign,
// waits like any other: the second signer adds a signature to it.
func TestTwoSignersOfATextEditorsManifest(t *testing.T) {
	s := newScene(t, "a", "b")
	twoSigners(s)
	if err := s.Root.Remove(publish.DraftFile); err != nil {
		t.Fatal(err)
	}
	edited := bytes.Replace(s.read(publish.ManifestFile), []byte("serial  = 1"), []byte("serial  = 7"), 1)
	if err := s.Root.WriteFile(publish.ManifestFile, edited, 0o644); err != nil {
		t.Fatal(err)
	}
	if signed, err := s.Attach(s.who["a"].Sign(t, edited, s.now), s.now); err != nil || signed.Published || signed.Mark.Serial != 7 {
		t.Fatalf("%+v, %v", signed, err)
	}
	if signed, err := s.Sign(s.secret["b"], s.stamp()); err != nil || !signed.Published || !signed.Cosigned || signed.Mark.Serial != 7 {
		t.Errorf("%+v, %v", signed, err)
	}
	if err := s.offers("1.0.0"); err != nil {
		t.Error(err)
	}
}

// A keys document can restart the serials of manifests.
func TestSerialsRestart(t *testing.T) {
	s := newScene(t, "a")
	s.add(addition("1.0.0", "any", "one"))
	s.signs("a")
	s.prepare(publish.KeysChange{Keys: s.keys("a"), Serial: 100})
	s.signsKeys("a")
	if signed, err := s.Sign(s.secret["a"], s.stamp()); err != nil || signed.Mark.Serial != 100 {
		t.Errorf("%+v, %v", signed, err)
	}
	if signed, err := s.Sign(s.secret["a"], s.stamp()); err != nil || signed.Mark.Serial != 101 {
		t.Errorf("%+v, %v", signed, err)
	}
}
