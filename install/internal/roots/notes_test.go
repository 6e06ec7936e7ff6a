package roots

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// abs returns an absolute path on any system.
func abs(p string) string {
	if p == "" {
		return ""
	}
	return filepath.Join(string(filepath.Separator), filepath.FromSlash(p))
}

func noteOf(id string, places ...string) *note {
	n := &note{Format: noteFormat, ID: strings.Repeat(id, 32)}
	for _, text := range places {
		f := strings.Fields(text)
		p := knownPlace{Role: Role(f[0]), Given: abs(f[1]), Real: abs(f[1])}
		if len(f) == 3 {
			p.Real = abs(f[2])
		}
		n.Places = append(n.Places, p)
	}
	return n
}

func TestDirectoriesBelongTogether(t *testing.T) {
	a := func() *note { return noteOf("a", "data /d", "state /s") }
	b := func() *note { return noteOf("b", "data /d2", "state /s2") }
	moved := noteOf("c", "data /old/d", "state /old/s")
	for name, c := range map[string]struct {
		data, state       *note
		nowData, nowState string
		others            map[string]*note // of other directories
		elsewhere         string           // a data directory that receipts name
		id                string           // the first letter of
		role, base        string           // of the refusal
	}{
		"both new":                                {nowData: "/d", nowState: "/s"},
		"as ever":                                 {data: a(), state: a(), nowData: "/d", nowState: "/s", id: "a"},
		"another state, fresh":                    {data: a(), nowData: "/d", nowState: "/s2", others: map[string]*note{"/s": a()}, role: "state", base: "/"},
		"another state, another kist's":           {data: a(), state: b(), nowData: "/d", nowState: "/s2", others: map[string]*note{"/s": a(), "/d2": b()}, role: "state", base: "/"},
		"another data, fresh":                     {state: a(), nowData: "/d2", nowState: "/s", others: map[string]*note{"/d": a()}, role: "data", base: "/"},
		"another data, whose own state has gone":  {data: b(), state: a(), nowData: "/d2", nowState: "/s", others: map[string]*note{"/d": a()}, role: "data", base: "/"},
		"a copy of the state":                     {data: a(), state: a(), nowData: "/d", nowState: "/copy", others: map[string]*note{"/s": a()}, role: "state", base: "/"},
		"a copy of the data":                      {data: a(), state: a(), nowData: "/copy", nowState: "/s", others: map[string]*note{"/d": a()}, role: "data", base: "/"},
		"a copy of both":                          {data: a(), state: a(), nowData: "/c/d", nowState: "/c/s", others: map[string]*note{"/d": a(), "/s": a()}, id: "a"},
		"both moved":                              {data: moved, state: moved, nowData: "/new/d", nowState: "/new/s", id: "c"},
		"the state moved":                         {data: a(), state: a(), nowData: "/d", nowState: "/x", id: "a"},
		"the data moved":                          {data: a(), state: a(), nowData: "/x", nowState: "/s", id: "a"},
		"the state was deleted":                   {data: a(), nowData: "/d", nowState: "/s", id: "a"},
		"the state was deleted and is set again":  {data: a(), nowData: "/d", nowState: "/x", id: "a"},
		"the data was deleted":                    {state: a(), nowData: "/d", nowState: "/s", id: "a"},
		"two that lost their partners":            {data: a(), state: b(), nowData: "/d", nowState: "/s2", id: "a"},
		"another kist is where the state was":     {data: a(), nowData: "/d", nowState: "/x", others: map[string]*note{"/s": b()}, id: "a"},
		"of before notes":                         {nowData: "/d", nowState: "/s"},
		"of before notes, with other toolchains":  {nowData: "/d", nowState: "/s", elsewhere: "/base/kist", role: "data", base: "/base"},
		"of before notes, but the data has since": {data: a(), nowData: "/d", nowState: "/s", elsewhere: "/base/kist", id: "a"},
	} {
		is := func(now string) func(string) bool { return func(p string) bool { return p == abs(now) } }
		id, err := pairing{
			data: c.data, state: c.state,
			nowData: knownPlace{Role: Data, Given: abs(c.nowData), Real: abs(c.nowData)}, nowState: knownPlace{Role: State, Given: abs(c.nowState), Real: abs(c.nowState)},
			isData: is(c.nowData), isState: is(c.nowState),
			owns: func(_ Role, p, id string) bool {
				for at, n := range c.others {
					if abs(at) == p {
						return n.ID == id
					}
				}
				return false
			},
			legacy: func() (string, error) { return abs(c.elsewhere), nil },
		}.check()
		var other *OtherPlaceError
		if refused := errors.As(err, &other); refused != (c.role != "") || err != nil && !refused {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if other != nil && (other.Role != c.role || other.Base != abs(c.base)) {
			t.Errorf("%s: refused %+v", name, other)
		}
		if other == nil && id != strings.Repeat(c.id, 32) {
			t.Errorf("%s: id %q", name, id)
		}
	}
}

func TestBecameLink(t *testing.T) {
	known := noteOf("a", "data /h/share/kist", "cache /h/.cache/kist", "config /h/.config/kist /h/dotfiles/kist", "cache /scratch/kist", "bin /h/bin", "data /former/kist")
	moved := func(links map[string]string) func(string) (string, error) {
		return func(p string) (string, error) {
			for from, to := range links {
				if p == abs(from) {
					return abs(to), nil
				}
			}
			return p, nil
		}
	}
	for name, c := range map[string]struct {
		role        Role
		given, real string
		moved       bool
		links       map[string]string
		refused     bool
	}{
		"as ever":                             {Cache, "/h/.cache/kist", "/h/.cache/kist", false, nil, false},
		"became a link":                       {Cache, "/h/.cache/kist", "/h/Documents", false, nil, true},
		"its base became one":                 {Cache, "/h/.cache/kist", "/h/Documents/kist", false, nil, true},
		"the bin directory became one":        {Bin, "/h/bin", "/h/other", false, nil, true},
		"a link as ever":                      {Config, "/h/.config/kist", "/h/dotfiles/kist", false, nil, false},
		"a link to another place":             {Config, "/h/.config/kist", "/h/dotfiles/other", false, nil, true},
		"a link that became a directory":      {Config, "/h/.config/kist", "/h/.config/kist", false, nil, false},
		"the place itself, by another name":   {Cache, "/elsewhere/kist", "/h/.cache/kist", false, nil, false},
		"another place, by a link, met now":   {Cache, "/disk/.cache/kist", "/mnt/cache", false, nil, false},
		"data, a link back to a former place": {Data, "/h/share/kist", "/former/kist", false, nil, true},
		"data, at a former place":             {Data, "/former/kist", "/former/kist", true, nil, false},
		"another of the known ones":           {Cache, "/scratch/kist", "/scratch/kist", false, nil, false},
		"one of these became a link":          {Cache, "/scratch/kist", "/h/Documents", false, nil, true},
		"never met":                           {State, "/h/state/kist", "/mnt/state", false, nil, false},
		"the home moved":                      {Cache, "/new/.cache/kist", "/new/.cache/kist", true, nil, false},
		"the home moved, behind a link":       {Cache, "/new/.cache/kist", "/mnt/h/.cache/kist", true, map[string]string{"/new": "/mnt/h"}, false},
		"the home moved with its link":        {Config, "/new/.config/kist", "/new/dotfiles/kist", true, nil, false},
		"the home moved, and it became one":   {Cache, "/new/.cache/kist", "/new/Documents", true, nil, true},
		"the home moved, and its base became": {Cache, "/new/.cache/kist", "/new/Documents/kist", true, nil, true},
	} {
		err := known.becameLink(knownPlace{Role: c.role, Given: abs(c.given), Real: abs(c.real)}, c.moved, moved(c.links))
		if errors.As(err, new(*BecameLinkError)) != c.refused || err != nil && !c.refused {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNoteKeepsSeveralPlaces(t *testing.T) {
	n := *noteOf("a", "data /h/d", "state /h/s", "cache /h/c", "bin /h/bin")
	now := func(places ...string) []knownPlace { return noteOf("a", places...).Places }
	next := n.with(now("data /h/d", "state /h/s", "cache /x/c", "bin /h/bin"), false)
	if got := next.placesOf(Cache); len(got) != 2 || got[0].Given != abs("/x/c") || len(next.placesOf(Bin)) != 1 || len(next.Places) != 5 {
		t.Errorf("another cache: %v", next.Places)
	}
	if back := next.with(now("data /h/d", "state /h/s", "cache /h/c", "bin /h/bin"), false); len(back.Places) != 5 || back.placesOf(Cache)[0].Given != abs("/h/c") {
		t.Errorf("the first again: %v", back.Places)
	}
	// After a move, the only old place that counts is that of the data.
	moved := next.with(now("data /new/d", "state /new/s"), true)
	if data := moved.placesOf(Data); len(moved.Places) != 3 || len(data) != 2 || moved.place(Data).Given != abs("/new/d") || data[1].Given != abs("/h/d") {
		t.Errorf("a home that moved: %v", moved.Places)
	}
	if back := moved.with(now("data /h/d", "state /h/s"), true); len(back.placesOf(Data)) != 2 || back.place(Data).Given != abs("/h/d") {
		t.Errorf("a home that moved back: %v", back.Places)
	}
	if alias := moved.with([]knownPlace{{Role: Data, Given: abs("/link/d"), Real: abs("/new/d")}}, false); len(alias.placesOf(Data)) != 2 {
		t.Errorf("the same directory by a link: %v", alias.Places)
	}
	for n := range 3 * maxFormer {
		moved = moved.with(now(fmt.Sprintf("data /%d/d", n), "state /new/s"), true)
	}
	if data := moved.placesOf(Data); len(data) != 1+maxFormer || data[1].Given != abs(fmt.Sprintf("/%d/d", 3*maxFormer-2)) {
		t.Errorf("many moves: %v", data)
	}
	for range 3 * maxPlaces {
		next = next.with(append(now("data /h/d", "state /h/s"), knownPlace{Role: Cache, Given: abs("/n" + strings.Repeat("x", len(next.Places))), Real: abs("/r")}), false)
	}
	data, err := next.encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parseNote(data); err != nil || len(data) > maxNote {
		t.Errorf("what is written cannot be read: %v", err)
	}
}

// A note that is parsed is encoded to the same note.
func FuzzNote(f *testing.F) {
	for _, n := range []*note{noteOf("a", "data /h/d", "state /h/s", "cache /h/c /x"), noteOf("0")} {
		data, err := n.encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, text := range []string{"", "{", "null", "[]", `{"format":1}`, `{"format":2,"id":"00000000000000000000000000000000"}`, `{"format":1,"id":"00000000000000000000000000000000","places":[{"role":"x","given":"/","real":"/"}]}`,
		`{"format":1,"id":"00000000000000000000000000000000"}{}`, `{"format":1,"id":"00000000000000000000000000000000","extra":1}`, `{"format":1,"id":"../../../../../../../../../../x"}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := parseNote(data)
		if err != nil {
			return
		}
		again, err := n.encode()
		if err != nil {
			t.Fatal(err)
		}
		same, err := parseNote(again)
		if err != nil || same.ID != n.ID || len(same.Places) != len(n.Places) {
			t.Errorf("%s became %s: %v", data, again, err)
		}
	})
}
