package config

import (
	"net/url"
	"slices"
	"strings"

	"github.com/kist-tools/kist/manifests"
)

// Locations returns where to ask for the URL ref, in order: at each mirror of its origin,
// then at the origin itself, unless a mirror is to be asked only. mirrored reports
// whether any mirror is among them.
func (c Config) Locations(ref string) (urls []string, mirrored bool) {
	u, err := url.Parse(ref)
	if err != nil {
		return []string{ref}, false
	}
	only := false
	for _, m := range c.Mirrors {
		rest, ok := below(u, m.From)
		if !ok {
			continue
		}
		for _, to := range m.To {
			if at := locate(to, rest, ref); !slices.Contains(urls, at) {
				urls = append(urls, at)
			}
		}
		only = only || m.Only
	}
	if len(urls) == 0 {
		return []string{ref}, false
	}
	if !only && !slices.Contains(urls, ref) {
		urls = append(urls, ref)
	}
	return urls, true
}

// locate returns where the mirror to has the URL ref, whose end is rest. A mirror in a
// registry has files by their whole URLs.
func locate(to, rest, ref string) string {
	if !manifests.IsRegistryRef(to) {
		return to + rest
	}
	r, err := manifests.ParseRegistryRef(to)
	if err == nil {
		r.File, err = manifests.BareURL(ref)
	}
	if err != nil {
		return to // where nothing is found
	}
	return r.String()
}

// OnlyMirror returns the mirror because of which the origin of the URL ref is never asked.
// ok is false if the origin may be asked.
func (c Config) OnlyMirror(ref string) (m Mirror, ok bool) {
	u, err := url.Parse(ref)
	if err != nil {
		return Mirror{}, false
	}
	for _, m := range c.Mirrors {
		if _, matches := below(u, m.From); matches && m.Only {
			return m, true
		}
	}
	return Mirror{}, false
}

// Asked describes where to ask for the URLs that begin with the URL beginning: one line
// for each place. It is empty if none of them has a mirror.
func (c Config) Asked(beginning string) (lines []string) {
	u, err := url.Parse(beginning)
	if err != nil {
		return nil
	}
	if urls, mirrored := c.Locations(beginning); mirrored {
		return urls
	}
	for _, m := range c.Mirrors {
		from, err := url.Parse(m.From)
		if err != nil {
			continue
		}
		if _, part := below(from, (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path[:strings.LastIndex(u.Path, "/")+1]}).String()); part {
			urls, _ := c.Locations(m.From)
			for _, at := range urls {
				lines = append(lines, at+" for "+m.From)
			}
		}
	}
	return lines
}

// below returns the rest of u after the URL from, which ends in a slash. A path with "."
// or ".." elements is below nothing: what it means is for a server to say.
func below(u *url.URL, from string) (rest string, ok bool) {
	f, err := url.Parse(from)
	if err != nil || !strings.EqualFold(u.Scheme, f.Scheme) || hostPort(u) != hostPort(f) {
		return "", false
	}
	if slices.ContainsFunc(strings.Split(u.Path, "/"), func(part string) bool { return part == "." || part == ".." }) {
		return "", false
	}
	if rest, ok = strings.CutPrefix(u.EscapedPath(), f.EscapedPath()); !ok {
		return "", false
	}
	if u.RawQuery != "" {
		rest += "?" + u.RawQuery
	}
	return rest, true
}

// For returns the credential for the URL u: the one with the longest matching URL, and of
// equal ones the first. ok is false if there is none.
func (c Config) For(u *url.URL) (found Credential, ok bool) {
	for _, each := range c.Credentials {
		if _, matches := below(u, each.URL); matches && len(each.URL) > len(found.URL) {
			found, ok = each, true
		}
	}
	return found, ok
}

// hostPort returns the host of u and its port, in one spelling.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[strings.ToLower(u.Scheme)]
	}
	return strings.TrimSuffix(strings.ToLower(u.Hostname()), ".") + ":" + port
}
