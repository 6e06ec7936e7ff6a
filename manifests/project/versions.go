package project

import (
	"fmt"
	"slices"
	"strings"
)

// plainVersion reads "1.2.3", "v1.2.3" or "latest".
func plainVersion(word string) (version, problem string) {
	if word == "latest" || word == "stable" {
		return "", ""
	}
	version = strings.TrimPrefix(word, "v")
	if version == "" || !isDigit(version[0]) {
		return "", "kist knows no such version"
	}
	return version, ""
}

// nodeVersion reads what nvm and its relatives read: "v22.11.0", "22", "node", "lts/*",
// "lts/jod". Source: nvm-sh/nvm, README, section ".nvmrc".
func nodeVersion(word string) (version, problem string) {
	word = strings.ToLower(word)
	switch line, codename, lts := strings.Cut(word, "/"); {
	case word == "node" || word == "latest" || word == "current" || word == "stable":
		return "latest", ""
	case word == "lts" || lts && line == "lts" && codename == "*":
		return "lts", ""
	case strings.HasPrefix(word, "lts-"):
		return word, ""
	case lts && line == "lts" && codename != "":
		return "lts-" + codename, ""
	}
	return plainVersion(word)
}

// javaVersion reads "21", "21.0.5", "1.8", "temurin-21.0.5+11.0.LTS" or "21.0.5-tem".
// kist's java is Eclipse Temurin; a file that asks for another vendor's build is not
// answered with it.
func javaVersion(word string) (version, problem string) {
	version = word
	if vendor, rest, ok := strings.Cut(word, "-"); ok && vendor != "" && !isDigit(vendor[0]) {
		if !slices.Contains([]string{"temurin", "openjdk", "openjdk64", "adoptopenjdk"}, vendor) {
			return "", fmt.Sprintf("kist's java is Eclipse Temurin, not %.20s", vendor)
		}
		version = rest
	} else if ok {
		if rest != "tem" && rest != "open" {
			return "", fmt.Sprintf("kist's java is Eclipse Temurin, not %.20q of SDKMAN", rest)
		}
		version = vendor
	}
	if i := strings.Index(version, ".0.LTS"); i >= 0 {
		version = version[:i]
	}
	version = strings.TrimSuffix(version, ".LTS")
	version = strings.TrimPrefix(version, "1.") // Java 8 was 1.8
	if version == "" || !isDigit(version[0]) {
		return "", "not a version of Java"
	}
	return version, ""
}

// addSpelled adds a request for a version of tool as other programs spell it.
func (c *Content) addSpelled(tool, word string) {
	spell, ok := map[string]func(string) (version, problem string){
		"go": goVersion, "node": nodeVersion, "java": javaVersion, "rust": func(word string) (string, string) { return word, "" },
	}[tool]
	if !ok {
		spell = plainVersion
	}
	version, problem := spell(word)
	switch {
	case word == "system" || strings.Contains(word, ":") || strings.Contains(word, "/") && tool != "node":
		c.skip("%s %.40q: kist installs only what a channel publishes", tool, word)
	case problem != "":
		c.skip("%s %.40q: %s", tool, word, problem)
	case version == "":
		c.Asks = append(c.Asks, Ask{Tool: tool})
	default:
		c.add(tool, version)
	}
}
