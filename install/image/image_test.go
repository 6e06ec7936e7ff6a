package image_test

import (
	"strings"
	"testing"

	"github.com/kist-tools/kist/install/image"
)

func TestCheckPrefix(t *testing.T) {
	for _, ok := range []string{"/opt/kist", "/srv/tools/kist-1.0", "/usr/local/kist", "/home/app/.kist", "/optional/kist"} {
		if err := image.CheckPrefix(ok); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", "/", "opt/kist", "/opt", "/opt/", "/opt/kist/", "/opt//kist", "/opt/../kist", "/opt/./kist", "/opt/ki st", "/opt/k:st",
		"/opt/k\nst", "/usr/kist", "/usr/local", "/etc/kist", "/proc/kist", "/opt/.wh.kist", "/.wh./kist", "/opt/" + strings.Repeat("x", 100)} {
		if err := image.CheckPrefix(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestCheckUser(t *testing.T) {
	for _, ok := range []string{"0", "1000", "1000:0", "2147483647:1"} {
		if err := image.CheckUser(ok); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", ":", "1:", ":1", "app", "-1", "+1", "01", "1:2:3", "2147483648", "1 "} {
		if err := image.CheckUser(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
