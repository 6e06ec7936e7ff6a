package gosum

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// A Proxy is one entry of a GOPROXY list.
type Proxy struct {
	// URL is the proxy's URL, or one of the words "direct" and "off".
	URL string
	// Any reports whether the next entry is tried after any failure to reach this one,
	// and not only if it does not have the module: the entry ends in "|" instead of
	// ",".
	Any bool
}

const maxProxies = 64

// ParseProxies reads a GOPROXY list as the go command does
// (go.dev/ref/mod#environment-variables). Its errors never show a password.
func ParseProxies(list string) ([]Proxy, error) {
	var proxies []Proxy
	for rest := list; rest != ""; {
		end := strings.IndexAny(rest, ",|")
		entry, separator := rest, byte(0)
		if end >= 0 {
			entry, separator, rest = rest[:end], rest[end], rest[end+1:]
		} else {
			rest = ""
		}
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		p, err := parseProxy(entry)
		if err != nil {
			return nil, fmt.Errorf("GOPROXY entry %s: %w", manifests.Redact(entry), err)
		}
		p.Any = separator == '|'
		proxies = append(proxies, p)
		if p.URL == "off" || p.URL == "direct" {
			return proxies, nil // the go command ignores the rest, too
		}
		if len(proxies) > maxProxies {
			return nil, fmt.Errorf("GOPROXY: more than %d entries", maxProxies)
		}
	}
	if list != "" && len(proxies) == 0 {
		return nil, fmt.Errorf("GOPROXY is set but has no entries")
	}
	return proxies, nil
}

func parseProxy(entry string) (Proxy, error) {
	if entry == "off" || entry == "direct" {
		return Proxy{URL: entry}, nil
	}
	if strings.ContainsAny(entry, ".:/") && !strings.Contains(entry, ":/") && !strings.HasPrefix(entry, "/") {
		entry = "https://" + entry
	}
	u, err := url.Parse(entry)
	switch {
	case err != nil:
		return Proxy{}, fmt.Errorf("not a URL") // the parser's error would show the password
	case u.Scheme != "https" && u.Scheme != "http" && u.Scheme != "file":
		return Proxy{}, fmt.Errorf("want an https, http or file URL")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Opaque != "":
		return Proxy{}, fmt.Errorf("a proxy URL must have no query and no fragment")
	case u.Scheme != "file" && u.Hostname() == "":
		return Proxy{}, fmt.Errorf("no host")
	}
	return Proxy{URL: strings.TrimRight(u.String(), "/")}, nil
}

// ErrNoProxy is returned if there is no proxy to use.
var ErrNoProxy = fmt.Errorf("no module proxy is known: neither GOPROXY nor a Go on PATH names one: %w", manifests.ErrUnreachable)

// ErrOff is returned for a GOPROXY list that ends in off before any proxy could be
// tried. It also matches manifests.ErrOffline.
var ErrOff = fmt.Errorf("GOPROXY ends in off: %w", manifests.ErrOffline)

// firstOf tries each proxy in turn, as GOPROXY's separators say, and returns the first
// answer. It stops at a failed proof. If several fail, an unreachable proxy is reported
// rather than "not found", because it might have the version.
func firstOf(proxies []Proxy, ask func(base string) (manifests.Catalog, error)) (manifests.Catalog, error) {
	var unreached []error
	var unknown error
	direct := false
	for _, p := range proxies {
		switch p.URL {
		case "direct":
			direct = true
			continue
		case "off":
			if unknown == nil && unreached == nil {
				unreached = append(unreached, ErrOff)
			}
			continue
		}
		answer, err := ask(p.URL)
		switch {
		case err == nil:
			return answer, nil
		case manifests.IsUnknown(err):
			unknown = err
			continue
		case !errors.Is(err, manifests.ErrUnreachable) || errors.Is(err, verify.ErrUntrusted) || errors.Is(err, verify.ErrStale):
			return nil, err
		}
		unreached = append(unreached, fmt.Errorf("module proxy %s: %w", manifests.Redact(p.URL), err))
		if !p.Any && !errors.Is(err, errNoDatabase) {
			break
		}
	}
	switch {
	case len(unreached) > 0:
		return nil, inOneLine(unreached)
	case unknown != nil:
		return nil, unknown
	case direct:
		return nil, fmt.Errorf("GOPROXY is direct, but toolchains need a module proxy: %w", manifests.ErrUnreachable)
	}
	return nil, ErrNoProxy
}

// inOneLine joins errors like errors.Join, but on one line.
func inOneLine(errs []error) error {
	all := errs[0]
	for _, err := range errs[1:] {
		all = fmt.Errorf("%w; %w", all, err)
	}
	return all
}

var (
	// errUnknown: neither the proxy nor the database has the toolchain.
	errUnknown = errors.New("no such toolchain")
	// errNoDatabase: the proxy does not relay the checksum database.
	errNoDatabase = fmt.Errorf("does not relay the checksum database: %w", manifests.ErrUnreachable)
)

// A proxy reads one module proxy. Nothing it serves is trusted.
type proxy struct {
	transport manifests.Transport
	base      string
	db        verify.ChecksumDB
}

func (p proxy) zip(version string) string { return p.base + "/" + Module + "/@v/" + version + ".zip" }

// supported returns an error unless the proxy relays the checksum database.
func (p proxy) supported(ctx context.Context) error {
	err := manifests.CheckExists(ctx, p.transport, p.base+"/sumdb/"+p.db.Name()+"/supported")
	if errors.Is(err, manifests.ErrNotFound) {
		return errNoDatabase
	}
	return err
}

// list reads the version list. A list without a toolchain is refused: it may be an
// empty answer or a login page.
func (p proxy) list(ctx context.Context) (manifests.VersionIndex, error) {
	data, err := manifests.ReadAll(ctx, p.transport, p.base+"/"+Module+"/@v/list", maxList)
	if err != nil {
		return nil, err
	}
	hint := parseList(data)
	if len(hint) == 0 {
		return nil, verify.Untrusted("the version list names no toolchain")
	}
	return hint, nil
}

// prove looks version up in the checksum database and checks that its zip exists. It
// returns errUnknown if neither has that version.
func (p proxy) prove(ctx context.Context, last verify.Mark, version string) (verify.TreeProof, error) {
	proof, err := p.db.Lookup(ctx, p.remote, last, Module, version)
	if err != nil && !errors.Is(err, manifests.ErrNotFound) {
		return verify.TreeProof{}, err
	}
	missing := manifests.CheckExists(ctx, p.transport, p.zip(version))
	switch {
	case err == nil && missing == nil:
		return proof, nil
	case errors.Is(missing, manifests.ErrNotFound), err != nil && errors.Is(missing, manifests.ErrUnreachable):
		return verify.TreeProof{}, errUnknown
	case missing == nil:
		return verify.TreeProof{}, &verify.TreeError{Database: p.db.Name(), Module: Module + "@" + version,
			Rule: "the proxy has a zip for which the database has no record"}
	}
	return verify.TreeProof{}, missing
}

// remote reads the checksum database through the proxy. A missing record means that the
// version does not exist; a missing tile only that the proxy is unusable.
func (p proxy) remote(ctx context.Context, path string, limit int64) ([]byte, error) {
	data, err := manifests.ReadAll(ctx, p.transport, p.base+"/sumdb/"+p.db.Name()+path, limit)
	if err != nil && !strings.HasPrefix(path, "/lookup/") {
		return nil, unreachable(err)
	}
	return data, err
}

// unreachable turns ErrNotFound into ErrUnreachable: a proxy without this file cannot
// be used.
func unreachable(err error) error {
	if errors.Is(err, manifests.ErrNotFound) {
		return fmt.Errorf("%w (%v)", manifests.ErrUnreachable, err)
	}
	return err
}
