package gosum_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/gosum"
)

func FuzzParseList(f *testing.F) {
	f.Add("v0.0.1-go1.24.4.linux-amd64\nv0.0.1-go1.27rc1.windows-arm64\n")
	f.Add("v0.0.1-go1.24.4.linux-amd64/../x\r\nv0.0.1-go.linux\nv0.0.1-go1.2.3.-")
	f.Fuzz(func(t *testing.T, list string) {
		lines := strings.Fields(list)
		for _, v := range gosum.ParseList([]byte(list)) {
			if manifests.ValidVersion(v.Version) != nil || len(v.Platforms) == 0 {
				t.Fatalf("%+v", v)
			}
			for _, p := range v.Platforms {
				if !slices.Contains(lines, gosum.ModuleVersion(v.Version, p)) {
					t.Errorf("%s for %s is not in %q", v.Version, p, list)
				}
			}
		}
	})
}

func FuzzParseProxies(f *testing.F) {
	f.Add("https://a.example,direct")
	f.Add("https://user:password@a.example/x|off")
	f.Fuzz(func(t *testing.T, list string) {
		proxies, err := gosum.ParseProxies(list)
		if err != nil {
			return
		}
		for i, p := range proxies {
			last := i == len(proxies)-1
			if p.URL == "off" || p.URL == "direct" {
				if !last {
					t.Errorf("%q: something after %s", list, p.URL)
				}
				continue
			}
			again, err := gosum.ParseProxies(p.URL)
			if err != nil || len(again) != 1 || again[0].URL != p.URL {
				t.Errorf("%q: %q is read again as %+v, %v", list, p.URL, again, err)
			}
		}
	})
}
