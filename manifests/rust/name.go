package rust

import (
	"strings"
	"time"
)

// A releaseName is the name of a Rust toolchain without its host: stable, beta, nightly, 1.95,
// 1.95.0, 1.95.0-beta, 1.95.0-beta.1, each optionally with the day of its manifest.
// Source: rust-lang/rustup, src/dist/mod.rs.
type releaseName struct {
	Channel string // such as "nightly", as in the manifest's file name
	Date    string // YYYY-MM-DD, or empty: the newest
}

// parseName reads name[-YYYY-MM-DD].
func parseName(s string) (releaseName, bool) {
	n := releaseName{Channel: s}
	if i := len(s) - len("-2006-01-02"); i > 0 && s[i] == '-' {
		if _, err := time.Parse(time.DateOnly, s[i+1:]); err == nil {
			n = releaseName{Channel: s[:i], Date: s[i+1:]}
		}
	}
	return n, n.Channel == "stable" || n.Channel == "beta" || n.Channel == "nightly" || isNumber(n.Channel)
}

// isNumber accepts D.D[.D][-beta[.D]].
func isNumber(s string) bool {
	number, pre, beta := strings.Cut(s, "-")
	if beta && pre != "beta" {
		n, ok := strings.CutPrefix(pre, "beta.")
		if !ok || !digits(n) {
			return false
		}
	}
	parts := strings.Split(number, ".")
	for _, part := range parts {
		if !digits(part) {
			return false
		}
	}
	return len(parts) == 2 || len(parts) == 3
}

func digits(s string) bool { return s != "" && len(s) < 10 && strings.Trim(s, "0123456789") == "" }

func (n releaseName) String() string {
	if n.Date != "" {
		return n.Channel + "-" + n.Date
	}
	return n.Channel
}

// fixed reports whether n always names the same release: that of a day, or an exact
// version. The others move, each on its own line.
func (n releaseName) fixed() bool {
	number, pre, beta := strings.Cut(n.Channel, "-")
	return n.Date != "" || strings.Count(number, ".") == 2 && (!beta || pre != "beta")
}

// covers reports whether n's channel may hold a release with this number: 1.95.0 is a
// stable and a 1.95, 1.96.0-nightly a nightly.
func (n releaseName) covers(number string) bool {
	release, pre, _ := strings.Cut(number, "-")
	if !isNumber(release) || strings.Count(release, ".") != 2 {
		return false
	}
	beta := isNumber(number) && pre != ""
	switch n.Channel {
	case "stable":
		return pre == ""
	case "beta":
		return beta
	case "nightly":
		return pre == "nightly"
	}
	asked, askedPre, _ := strings.Cut(n.Channel, "-")
	if asked != release && !strings.HasPrefix(release, asked+".") {
		return false
	}
	return askedPre == pre || askedPre == "beta" && beta
}
