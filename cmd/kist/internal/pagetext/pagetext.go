// Package pagetext writes a channel as a page for people: static HTML that needs no script
// and nothing from elsewhere, so that a web browser shows what is in the channel, whose
// keys sign it, and how to check that.
//
// What a manifest or a certificate states is untrusted text here. It goes through
// writer.put, which escapes it; only https URLs and paths below the channel become links;
// and the page's Content-Security-Policy lets nothing run or load but the style and the
// script of this package, by their digests.
//
// The page is a function of the channel alone: it has no date of its own.
package pagetext

import (
	"crypto/sha256"
	_ "embed" // the style and the script
	"encoding/base64"

	"github.com/kist-tools/kist/manifests/publish"
)

var (
	//go:embed page.css
	style string
	//go:embed page.js
	script string
)

// A Channel is what the page is made from. All of it was proved.
type Channel struct {
	publish.Report
	History []publish.KeysVersion
	URL     string   // of its directory: https or http, with a slash at the end
	Files   []string // of its directory, to link to
}

// HTML returns the page from the policy in its head on, for publish.Page.
func HTML(c Channel) ([]byte, error) {
	shown, err := c.show()
	if err != nil {
		return nil, err
	}
	var w writer
	w.page(shown)
	return w.Bytes(), nil
}

// contentPolicy returns the Content-Security-Policy of the page. Source: Content Security
// Policy Level 3, W3C, section 2.3.1: a hash-source is over the text of the element.
func contentPolicy() string {
	hash := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return "default-src 'none'; style-src " + hash(style) + "; script-src " + hash(script) + "; base-uri 'none'; form-action 'none'"
}
