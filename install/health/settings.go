package health

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/verify"
)

// checkSettings checks the files of settings and policies, and says which are in force.
func checkSettings(_ context.Context, h Host) (findings []Finding, facts []string) {
	for _, s := range h.Settings() {
		switch {
		case errors.Is(s.Err, fs.ErrNotExist):
		case s.Unsafe:
			findings = append(findings, Finding{Severity: Problem, What: s.Path + " can be changed by other users", Fix: host.QuoteWords("chmod", "go-w", s.Path),
				Why: "others could say what kist does, so it is not used"})
		case errors.Is(s.Err, fs.ErrPermission):
			findings = append(findings, Finding{Severity: Problem, What: s.Path + " cannot be read", Fix: "sudo " + host.QuoteWords("chmod", "a+r", s.Path),
				Why: why(s.Kind)})
		case s.Err != nil:
			findings = append(findings, Finding{Severity: Problem, What: s.Err.Error(), Fix: `"${EDITOR:-vi}" ` + host.QuoteWords(s.Path), Why: why(s.Kind)})
		default:
			facts = append(facts, "in force: "+s.Path)
		}
	}
	return findings, facts
}

// why says why a file of a kind matters.
func why(kind string) string {
	if kind == "policy" {
		return "until that file is corrected, no channel is trusted"
	}
	return "until that file is corrected, no channel is asked"
}

// checkChannels checks the settings and the keys of the channels in use.
func checkChannels(_ context.Context, h Host) (findings []Finding, facts []string) {
	list, err := h.Channels()
	if err != nil {
		findings = unknown("the settings of channels", err)
	}
	for _, c := range list {
		if f, wrong := channelFinding(c); wrong {
			findings = append(findings, f)
		}
		for _, k := range c.Keys {
			f := Finding{Severity: Warning, What: fmt.Sprintf("channel %s: %s", c.Name, k.Problem), Fix: "kist channel refresh " + quoteName(c.Name),
				Why: "without a valid key nothing new from it is accepted; this asks for a newer copy of the key"}
			if k.Refuse {
				f.Severity = Problem
			}
			findings = append(findings, f)
		}
	}
	return findings, facts
}

// channelFinding returns why a channel cannot be used.
func channelFinding(c Channel) (f Finding, wrong bool) {
	if c.Err == nil {
		return f, false
	}
	f = Finding{Severity: Problem, What: fmt.Sprintf("channel %s: %v", c.Name, c.Err), Why: "nothing from it can be installed"}
	_, mark := errors.AsType[*verify.MarkError](c.Err)
	_, rule := errors.AsType[*channels.RuleError](c.Err)
	_, rules := errors.AsType[*channels.RulesError](c.Err)
	switch {
	case mark, rules:
		return f, false // checkMarks or checkSettings says so
	case rule:
		f.Why = "the policy is meant so, or its file must be changed; without the channel, nothing is refused"
		f.Fix = "kist channel remove " + quoteName(c.Name)
	case c.Added:
		f.Why += "; then add it again, with its keys"
		f.Fix = "kist channel remove " + quoteName(c.Name)
	}
	return f, true
}

// quoteName returns a channel's name as a word of a command line.
func quoteName(name string) string { return host.QuoteWords(name) }

// checkProxies checks the variables that name proxies.
func checkProxies(_ context.Context, h Host) (findings []Finding, facts []string) {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"} {
		value := h.Getenv(name)
		if value == "" {
			continue
		}
		text := value
		if !strings.Contains(text, "://") {
			text = "http://" + text
		}
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) {
			findings = append(findings, Finding{Severity: Problem, What: name + " is not the URL of a proxy",
				Why: "kist cannot reach any server through it", Fix: "unset " + name}) // the value may hold a password
			continue
		}
		facts = append(facts, name+" "+(&url.URL{Scheme: u.Scheme, Host: u.Host}).String())
	}
	if value := h.Getenv("NO_PROXY"); value != "" {
		facts = append(facts, "NO_PROXY "+value)
	}
	return findings, facts
}

// checkCertificates checks the variables that name the certificates of authorities.
func checkCertificates(_ context.Context, h Host) (findings []Finding, facts []string) {
	if file := h.Getenv("SSL_CERT_FILE"); file != "" {
		text, err := h.ReadFile(file)
		switch {
		case err != nil:
			findings = append(findings, Finding{Severity: Problem, What: fmt.Sprintf("SSL_CERT_FILE %s: %v", file, err), Why: "no server can be verified", Fix: "unset SSL_CERT_FILE"})
		case !strings.Contains(string(text), "-----BEGIN CERTIFICATE-----"):
			findings = append(findings, Finding{Severity: Problem, What: "SSL_CERT_FILE " + file + " holds no certificate", Why: "no server can be verified", Fix: "unset SSL_CERT_FILE"})
		default:
			facts = append(facts, "SSL_CERT_FILE "+file)
		}
	}
	for _, dir := range filepath.SplitList(h.Getenv("SSL_CERT_DIR")) {
		if _, err := h.ReadFile(dir); errors.Is(err, fs.ErrNotExist) {
			findings = append(findings, Finding{Severity: Problem, What: "SSL_CERT_DIR: " + dir + " does not exist", Why: "no server can be verified by it", Fix: "unset SSL_CERT_DIR"})
			continue
		}
		facts = append(facts, "SSL_CERT_DIR "+dir)
	}
	return findings, facts
}

// The ceilings of checkNetwork.
const (
	maxAsked  = 100 // servers
	askedOnce = 8   // servers at the same time
)

// checkNetwork asks the servers of the channels in use.
func checkNetwork(ctx context.Context, h Host) (findings []Finding, facts []string) {
	list, err := h.Channels()
	if err != nil && len(list) == 0 {
		return nil, nil // checkChannels says so
	}
	type place struct {
		channel, url, shown string
		err                 error
	}
	var places []*place
	for _, c := range list {
		for n, at := range c.URLs {
			places = append(places, &place{channel: c.Name, url: at, shown: c.Shown[n]})
		}
	}
	places = places[:min(len(places), maxAsked)]
	var asking sync.WaitGroup
	slots := make(chan struct{}, askedOnce)
	for _, p := range places {
		asking.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			one, cancel := context.WithTimeout(ctx, reachTime)
			defer cancel()
			p.err = h.Reach(one, p.url)
		})
	}
	asking.Wait()
	for _, p := range places {
		if p.err == nil || errors.Is(p.err, manifests.ErrNotFound) {
			facts = append(facts, fmt.Sprintf("channel %s answers at %s", p.channel, p.shown))
			continue
		}
		findings = append(findings, Finding{Severity: Problem, What: fmt.Sprintf("channel %s does not answer at %s: %v", p.channel, p.shown, p.err),
			Why: "nothing can be fetched from there; check the network, its proxy (HTTPS_PROXY, ALL_PROXY) and SSL_CERT_FILE"})
	}
	return findings, facts
}
