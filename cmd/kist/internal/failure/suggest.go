package failure

import (
	"errors"
	"fmt"
	"strings"

	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/verify"
)

// otherVerbs maps verbs of other programs to the kist command line that does the
// same; %s stands for the arguments. A verb with the same meaning as one of kist's
// is an alias of it instead.
func otherVerbs() map[string]string {
	return map[string]string{
		"use": "default %s", "switch": "default %s", "select": "default %s", "global": "default %s",
		"shell": "env %s", "activate": "env %s",
		"add": "install %s", "get": "install %s", "i": "install %s", "in": "install %s", "download": "install %s",
		"delete": "uninstall %s", "del": "uninstall %s", "purge": "uninstall %s", "un": "uninstall %s",
		"ls-remote": "list --available %s", "list-remote": "list --available %s", "list-all": "list --available %s",
		"available": "list --available %s", "versions": "list --available %s", "find": "search %s",
		"installed": "list", "current": "list", "status": "list",
		"check-update": "outdated %s", "check-updates": "outdated %s",
		"where": "which %s", "whereis": "which %s", "path": "which %s",
		"undo": "rollback", "tap": "channel add %s", "trust": "channel add %s", "remote": "channel list", "repo": "channel list",
		"channels": "channel list", "sign": "publish sign %s", "completions": "completion %s",
	}
}

// TryInstead returns the kist command line that a user who typed verb and args may
// have meant, or "" if none is known.
func (c Context) TryInstead(verb string, args []string) string {
	if line, ok := otherVerbs()[verb]; ok {
		return "kist " + strings.TrimSpace(strings.ReplaceAll(line, "%s", host.QuoteWords(args...)))
	}
	if ref, err := trust.ParseRef(verb); err == nil {
		if _, ok := trust.Installable(ref.Name, c.Distro); ok && len(args) > 0 {
			return "kist run " + verb + " -- " + ref.Name + " " + host.QuoteWords(args...)
		} else if ok {
			return "kist install " + verb
		}
	}
	return ""
}

// whoMaySign returns the end of a hint that names the one key whose signature is missing,
// "" if err names several or none.
func whoMaySign(err error) string {
	if e, ok := errors.AsType[*verify.SignatureError](err); ok && len(e.Wanted) == 1 {
		return fmt.Sprintf(" (only %s may sign)", e.Wanted[0].Spaced())
	}
	return ""
}
