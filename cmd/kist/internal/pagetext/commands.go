package pagetext

import (
	"strconv"

	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/publish"
)

// addCommands sets the lines of shell by which people add the channel, prove its manifest,
// and check one file.
func (c Channel) addCommands(s *shownChannel) error {
	name := c.Manifest.Channel
	armored, binary := name+".asc", name+".gpg"
	add := []string{"kist", "channel", "add", name, c.URL, "--key", armored}
	if n := c.threshold(); n > 1 {
		add = append(add, "--threshold", strconv.Itoa(n))
	}
	s.Add = []string{host.QuoteWords("gpg", "--show-keys", "--with-fingerprint", armored), host.QuoteWords(add...)}
	s.Prove = []string{
		host.QuoteWords("curl", "-fsS", "-O", c.URL+publish.ManifestFile, "-O", c.URL+publish.SignatureFile),
		host.QuoteWords("gpg", "--yes", "--output", binary, "--dearmor", armored),
		host.QuoteWords("gpgv", "--keyring", "./"+binary, publish.SignatureFile, publish.ManifestFile),
		host.QuoteWords("grep", "-E", "^(channel|serial|expires)", publish.ManifestFile),
	}
	file, where, err := c.example()
	if err != nil || where == "" {
		return err
	}
	digest := file.SHA256.Hex()
	s.Example, _ = location(file)
	s.Check = []string{
		host.QuoteWords("curl", "-fsSL", "-o", "artifact", where),
		host.QuoteWords("echo", digest+"  artifact") + " | sha256sum --check",
		host.QuoteWords("grep", "-n", "sha256.*"+digest, publish.ManifestFile),
	}
	return nil
}

// example returns an artifact of the newest release of the first tool, and its URL, empty
// if no web server has it.
func (c Channel) example() (file native.Artifact, where string, err error) {
	var first []native.Release
	for _, r := range c.Manifest.Releases {
		if len(first) > 0 && r.Tool > first[0].Tool {
			continue
		}
		if len(first) > 0 && r.Tool < first[0].Tool {
			first = nil
		}
		first = append(first, r)
	}
	if len(first) == 0 {
		return file, "", nil
	}
	manifests.SortNewestFirst(first, func(r native.Release) string { return r.Version })
	for _, file = range first[0].Artifacts {
		if file.Path != "" {
			where, err = manifests.Join(c.URL+publish.ManifestFile, file.Path)
			return file, where, err
		}
		if _, link := location(file); link != "" {
			return file, link, nil
		}
	}
	return file, "", nil
}
