package channels

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/internal/tomldoc"
	"github.com/kist-tools/kist/verify"
)

// MaxRules is the ceiling on a policy file, in bytes.
const MaxRules = 256 << 10

// RulesFile is the user's own policy file, in the configuration directory.
const RulesFile = "policy.toml"

// Rules are restrictions on channels by the administrator or user of this machine, in
// addition to kist's own. They are read from a policy file:
//
//	format    = 1
//	channels  = ["go", "rust", "acme"]            # the only allowed channels
//	urls      = ["https://tools.acme.example/*"]  # the only allowed URLs of added channels
//	threshold = 2                                 # minimum signatures on an added channel
//	rsa       = 3072                              # minimum bits of an RSA key
//
//	minimum_age = "72h"                           # of a release that is to be installed
//	deny        = ["go@<1.26.3", "acme/trivy@=0.69.4"]  # releases that are never installed
//
// A key that is left out restricts nothing. Rules only restrict: no rule allows what
// kist refuses, and if there are several files, all of them apply.
type Rules struct {
	file           string
	channels, urls *[]string // nil: any
	threshold, rsa int
	minimumAge     time.Duration
	denied         []Denial
}

// A Denial is one of the releases that a policy file denies.
type Denial struct {
	File    string // the policy file
	Text    string // as it is written there
	Channel string // "": any
	Tool    string
	manifests.Constraint
}

// A RuleError reports that a policy file does not allow a channel. It matches
// verify.ErrUntrusted.
type RuleError struct {
	File    string // its path
	Channel string
	Rule    string
}

func (e *RuleError) Error() string {
	return fmt.Sprintf("channel %s: %s (%s)", e.Channel, e.Rule, e.File)
}

func (e *RuleError) Unwrap() error { return verify.ErrUntrusted }

// A RulesError reports that a policy file is invalid. Then no channel is allowed. It
// matches verify.ErrUntrusted.
type RulesError struct {
	File string
	Err  error
}

func (e *RulesError) Error() string { return fmt.Sprintf("%s: %v", e.File, e.Err) }
func (e *RulesError) Unwrap() error { return e.Err }
func (e *RulesError) Kind() string  { return verify.ReadKind(e.Err, "untrusted") }

func (e *RulesError) Is(target error) bool { return target == verify.ErrUntrusted }

// ParseRules parses the content of the policy file at the path file. Its error is a
// *RulesError.
func ParseRules(file string, data []byte) (Rules, error) {
	r := Rules{file: file}
	if err := r.parse(data); err != nil {
		return Rules{}, &RulesError{file, err}
	}
	return r, nil
}

// Rules reads the user's own policy file: no rules if there is none. Its error is a
// *RulesError.
func (s Store) Rules() ([]Rules, error) {
	data, err := s.readFile(RulesFile, MaxRules)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	file := filepath.Join(s.Root.Name(), RulesFile)
	if err != nil {
		return nil, &RulesError{file, err}
	}
	r, err := ParseRules(file, data)
	return []Rules{r}, err
}

func (r *Rules) parse(data []byte) error {
	if len(data) > MaxRules {
		return &manifests.TooLargeError{Name: r.file, Limit: MaxRules}
	}
	keys, err := tomldoc.Decode(data, tomldoc.Small())
	if err != nil {
		return fmt.Errorf("line %d: %w", tomldoc.LineOf(err), err)
	}
	t := tomldoc.NewTable(keys)
	t.Format(1)
	r.channels = texts(t, "channels", manifests.ValidName)
	r.urls = texts(t, "urls", validURLPattern)
	if t.Has("threshold") {
		r.threshold = int(t.Number("threshold", 1, maxPins))
	}
	if t.Has("rsa") {
		r.rsa = int(t.Number("rsa", 2048, 16384))
	}
	if t.Has("minimum_age") {
		if r.minimumAge, err = ParseAge(t.Text("minimum_age")); err != nil {
			t.Fail("minimum_age: %v", err)
		}
	}
	for _, text := range t.Texts("deny", maxDenied) {
		d, err := parseDenial(r.file, text)
		if err != nil {
			t.Fail("deny: %v", err)
		}
		r.denied = append(r.denied, d)
	}
	return t.End()
}

// maxDenied is the ceiling on the entries of deny.
const maxDenied = 1024

// maxAge is the ceiling on a minimum age: a longer one would deny everything.
const maxAge = 366 * 24 * time.Hour

// ParseAge parses an age: a duration as Go writes it, such as 72h or 1h30m, or a number of
// days, such as 3d.
func ParseAge(text string) (time.Duration, error) {
	var age time.Duration
	days, isDays := strings.CutSuffix(text, "d")
	n, err := strconv.Atoi(days)
	if isDays && err == nil && n <= int(maxAge/(24*time.Hour)) {
		age = time.Duration(n) * 24 * time.Hour
	} else if age, err = time.ParseDuration(text); err != nil {
		return 0, fmt.Errorf("%.40q is not a duration such as 72h or 3d", text)
	}
	if age < 0 || age > maxAge {
		return 0, fmt.Errorf("%.40s: want 0 to %d days", text, maxAge/(24*time.Hour))
	}
	return age, nil
}

// parseDenial parses TOOL@VERSIONS or CHANNEL/TOOL@VERSIONS.
func parseDenial(file, text string) (Denial, error) {
	name, versions, ok := strings.Cut(text, "@")
	if !ok {
		return Denial{}, fmt.Errorf("%.100q: want TOOL@VERSIONS, such as go@<1.26.3", text)
	}
	d := Denial{File: file, Text: text, Tool: name}
	if channel, tool, ok := strings.Cut(name, "/"); ok {
		d.Channel, d.Tool = channel, tool
		if err := manifests.ValidName(channel); err != nil {
			return Denial{}, fmt.Errorf("channel %w", err)
		}
	}
	if err := manifests.ValidName(d.Tool); err != nil {
		return Denial{}, fmt.Errorf("tool %w", err)
	}
	var err error
	d.Constraint, err = manifests.ParseConstraint(versions)
	return d, err
}

// MinimumAge returns how long ago a release must have been published.
func (r Rules) MinimumAge() time.Duration { return r.minimumAge }

// File returns the path of the policy file.
func (r Rules) File() string { return r.file }

// Denied returns the denial of a release, if there is one. order is that of its channel.
func (r Rules) Denied(channel, tool, version string, order manifests.Order) (Denial, bool) {
	for _, d := range r.denied {
		if d.Tool == tool && (d.Channel == "" || d.Channel == channel) && d.Holds(version, order) {
			return d, true
		}
	}
	return Denial{}, false
}

// texts reads a list of valid strings. It returns nil if the list is missing.
func texts(t *tomldoc.Table, key string, valid func(string) error) *[]string {
	if !t.Has(key) {
		return nil
	}
	list := t.Texts(key, maxTools)
	for _, s := range list {
		if err := valid(s); err != nil {
			t.Fail("%s: %v", key, err)
		}
	}
	return &list
}

// validURLPattern checks that pattern is a URL, or the beginning of one followed by
// "/*".
func validURLPattern(pattern string) error {
	start, open := strings.CutSuffix(pattern, "*")
	if manifests.IsRegistryRef(start) {
		return validRepositoryPattern(strings.TrimSuffix(start, "/"), open, pattern)
	}
	u, err := manifests.ParseURL(start)
	if err != nil || u.User != nil || u.RawQuery != "" || !strings.HasPrefix(u.Path, "/") || strings.Contains(start, "*") ||
		open && !strings.HasSuffix(start, "/") || cleanPath(u.Path) != u.Path {
		return fmt.Errorf("%.200q is neither a URL nor the beginning of a URL followed by /*", pattern)
	}
	return nil
}

// validRepositoryPattern checks that start names a registry, or a repository in it.
func validRepositoryPattern(start string, open bool, pattern string) error {
	whole := start
	if open {
		whole += "/x" // stands for the part that * matches
	}
	if r, err := manifests.ParseRegistryRef(whole); err != nil || r.File != "" || !r.Digest.IsZero() || open && !strings.HasSuffix(pattern, "/*") {
		return fmt.Errorf("%.200q is neither a repository of a registry nor the beginning of one followed by /*", pattern)
	}
	return nil
}

// cleanPath returns p without "." and ".." elements. It keeps a slash at the end.
func cleanPath(p string) string {
	clean := path.Clean(p)
	if strings.HasSuffix(p, "/") && clean != "/" {
		clean += "/"
	}
	return clean
}

// Allows returns a *RuleError if the rules do not allow a channel of this name, added
// with the given URL. location is empty for a built-in channel.
func (r Rules) Allows(name, location string) error {
	if r.channels != nil && !slices.Contains(*r.channels, name) {
		return &RuleError{r.file, name, "it is not among the channels that are allowed"}
	}
	if location == "" || r.urls == nil {
		return nil
	}
	u, err := url.Parse(location)
	if err != nil || cleanPath(u.Path) != u.Path || !slices.ContainsFunc(*r.urls, func(pattern string) bool { return matchURL(u, pattern) }) {
		return &RuleError{r.file, name, "its URL is not among those that are allowed"}
	}
	return nil
}

// matchURL reports whether u equals pattern, or begins with it if it ends in "*".
func matchURL(u *url.URL, pattern string) bool {
	start, open := strings.CutSuffix(pattern, "*")
	if r, err := manifests.ParseRegistryRef(start); err == nil && !open {
		return manifests.ShortLocation(u.String()) == r.String()
	}
	p, err := url.Parse(start)
	if err != nil || u.Scheme != p.Scheme || !strings.EqualFold(u.Host, p.Host) {
		return false
	}
	return u.Path == p.Path || open && strings.HasPrefix(u.Path, p.Path)
}

// Threshold returns how many signatures an added channel needs whose own threshold is n.
func (r Rules) Threshold(n int) int { return max(n, r.threshold) }

// Keys returns ring without the keys that are too weak, or a *RuleError if fewer than
// threshold are left.
func (r Rules) Keys(channel string, ring *verify.Keyring, threshold int) (*verify.Keyring, error) {
	strong := ring
	if r.rsa > 0 {
		var err error
		if strong, err = ring.Stronger(r.rsa); err != nil {
			return nil, &RuleError{r.file, channel, fmt.Sprintf("all its keys are weaker than RSA-%d", r.rsa)}
		}
	}
	if have := len(strong.Certificates()); have < threshold {
		return nil, &RuleError{r.file, channel, fmt.Sprintf("it has %d strong keys, and %d must sign", have, threshold)}
	}
	return strong, nil
}
