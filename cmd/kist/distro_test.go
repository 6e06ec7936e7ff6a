package main

import "testing"

func TestDistro(t *testing.T) {
	for text, want := range map[string]string{
		"PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nVERSION=\"12 (bookworm)\"\nID=debian\n": "debian12",
		"ID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"24.04\"\n": "ubuntu24.04",
		"# comment\nID='amzn'\nVERSION_ID='2'":              "amzn2",
		"NAME=\"Arch Linux\"\nID=arch\nBUILD_ID=rolling\n":  "arch",
		"": "",
	} {
		if got := distro(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
