package main

import "strings"

// otherVerbs maps verbs of other programs, which mean something near to a verb of
// kist's but not the same, to the command line that does it: %s stands for the
// arguments. Where the meaning is the same, the verb has an alias instead.
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

// tryInstead is the command line of kist's that a person who typed verb and args may
// have meant; "" if none is known.
func (a *app) tryInstead(verb string, args []string) string {
	if line, ok := otherVerbs()[verb]; ok {
		return "kist " + strings.TrimSpace(strings.ReplaceAll(line, "%s", shellWords(args)))
	}
	if ref, err := parseTool(verb); err == nil {
		if _, ok := a.installable(ref.Name); ok && len(args) > 0 {
			return "kist run " + verb + " -- " + ref.Name + " " + shellWords(args)
		} else if ok {
			return "kist install " + verb
		}
	}
	return ""
}

// shellWords writes words as a shell takes them.
func shellWords(words []string) string {
	list := make([]string, len(words))
	for i, word := range words {
		if list[i] = word; word == "" || strings.Trim(word, plainWord) != "" {
			list[i] = quote(word)
		}
	}
	return strings.Join(list, " ")
}

// plainWord are the characters that need no quoting in a word.
const plainWord = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+/@:=,"
