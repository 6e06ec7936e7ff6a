package roots_test

import (
	"testing"

	"github.com/kist-tools/kist/install/internal/roots"
)

func TestWindowsPrefixes(t *testing.T) {
	for name, want := range map[string]string{
		`C:\`:                           `C:\`,
		`C:`:                            `C:\`,
		`C:\Windows`:                    `C:\Windows`,
		`c:\windows\system32\x`:         `C:\Windows`,
		`C:/WINDOWS/x`:                  `C:\Windows`,
		`C:\Windows.\x`:                 `C:\Windows`,
		`\\?\C:\Windows`:                `C:\Windows`,
		`\\.\C:\Windows`:                `C:\Windows`,
		`\\?\UNC\localhost\C$\Windows`:  `C:\Windows`,
		`\\localhost\c$\windows\x`:      `C:\Windows`,
		`\\localhost\c$`:                `C:\`,
		`C:\Program Files`:              `C:\Program Files`,
		`C:\Program Files (x86)\kist`:   `C:\Program Files`,
		`C:\Windows2\x`:                 "",
		`C:\Program`:                    "",
		`C:\Users\ann\AppData\Local`:    "",
		`D:\a\project`:                  "",
		`C:\Users\ann\Windows`:          "",
		`\\server\homes\ann`:            "",
		`\\?\UNC\server\homes\windows`:  "",
		`\\?\C:\Users\ann`:              "",
		`C:\ProgramData\Jenkins\.kist`:  "",
		`D:\hostedtoolcache\windows\go`: "",
	} {
		if got := roots.WindowsPrefix(name); got != want {
			t.Errorf("windowsPrefix(%s) = %q, want %q", name, got, want)
		}
	}
}
