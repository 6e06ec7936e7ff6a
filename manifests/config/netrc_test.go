package config_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests/config"
)

func TestParseNetrc(t *testing.T) {
	for text, want := range map[string]config.Netrc{
		"": nil,
		"machine a.example login joe password pw\n":               {{"a.example", "joe", "pw"}},
		"machine a.example\r\n\tlogin joe\r\n\tpassword pw":       {{"a.example", "joe", "pw"}},
		"machine a\nlogin x account y password z\nmachine b":      {{"a", "x", "z"}, {"b", "", ""}},
		"# machine no\nmachine a login #x password #y # rest\n":   {{"a", "#x", "#y"}},
		`machine a login "joe b" password "a \"quoted\" \\ one"`:  {{"a", "joe b", `a "quoted" \ one`}},
		"machine a macdef init\ncd /x\nmachine no\n\nlogin joe":   {{"a", "joe", ""}},
		"macdef init\ncd /x\nlogin x\r\n\r\nmachine a password p": {{"a", "", "p"}},
		"macdef init\nmachine a password p":                       nil,
		"machine a password p port 22 login q":                    {{"a", "q", "p"}},
		"machine a password p\ndefault login all password all\n":  {{"a", "", "p"}},
		"default login all password all\nmachine a password p":    nil,
	} {
		got, err := config.ParseNetrc([]byte(text))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %q, %v, want %q", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"machine a\npassword \"hidden":     "line 2: a quotation mark is not closed",
		"machine a password \"hidden\nx\"": "line 1: a quotation mark is not closed",
		`machine a password ""`:            "line 1: an empty token",
		"login hidden":                     "line 1: login comes before the first machine",
		`machine a password "hidden\nx"`:   "line 1: a control character",
		"machine a password hid\x00den":    "line 1: a control character",
		strings.Repeat("#", 1<<20):         "larger than the limit",
	} {
		if _, err := config.ParseNetrc([]byte(text)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hid") {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
}

func TestNetrcEntryOfHost(t *testing.T) {
	n := config.Netrc{{"a.example", "", ""}, {"a.example", "first", "1"}, {"a.example", "second", "2"}}
	if m, ok := n.For("A.example"); !ok || m.Login != "first" {
		t.Errorf("got %q, %v", m, ok)
	}
	for _, host := range []string{"", "a.example.evil", "b.a.example", "example"} {
		if m, ok := n.For(host); ok {
			t.Errorf("%q: got %q", host, m)
		}
	}
}

func FuzzNetrc(f *testing.F) {
	f.Add("# x\nmachine a login \"b \\\" c\" password d\nmacdef m\nx\n\ndefault login e")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := config.ParseNetrc([]byte(text))
		if err != nil {
			return
		}
		for _, m := range list {
			if strings.ContainsAny(m.Host+m.Login+m.Password, "\r\n\x00") || len(m.Password) > len(text) {
				t.Errorf("%q", m)
			}
		}
	})
}
