package manifests

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"strings"

	"github.com/kist-tools/kist/verify"
)

// RegistryScheme is the scheme of refs to an OCI registry.
const RegistryScheme = "oci"

// HeadTag is the tag of the newest edition of a channel in a registry.
const HeadTag = "head"

// A RegistryRef names what a repository of an OCI registry holds: a file of the channel
// with a tag, what the mirror with a tag has of a URL, or a blob with a digest. As text it
// is one of
//
//	oci://REGISTRY/REPOSITORY:TAG/FILE
//	oci://REGISTRY/REPOSITORY:TAG/https://HOST/PATH
//	oci://REGISTRY/REPOSITORY@sha256:HEX
//
// A repository and a tag have the forms of the OCI distribution specification 1.1,
// section "Pulling manifests".
type RegistryRef struct {
	Registry   string // host and perhaps port, in lower case
	Repository string
	Tag        string        // empty for a blob
	File       string        // a path, or a URL as BareURL returns it; empty for all that the tag leads to
	Digest     verify.Digest // zero for a file
}

var (
	repositoryForm = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)
	tagForm        = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
	registryForm   = regexp.MustCompile(`^([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:[0-9]{1,5})?$`)
)

// maxRepository is the longest name of a registry with its repository, as most clients
// limit it.
const maxRepository = 255

// IsRegistryRef reports whether ref has the scheme of an OCI registry.
func IsRegistryRef(ref string) bool {
	scheme, _, ok := strings.Cut(ref, ":")
	return ok && strings.EqualFold(scheme, RegistryScheme)
}

// ParseRegistryRef parses a RegistryRef. Without a tag, it is HeadTag.
func ParseRegistryRef(ref string) (r RegistryRef, err error) {
	scheme, rest, ok := strings.Cut(ref, "://")
	if !ok || !strings.EqualFold(scheme, RegistryScheme) {
		return r, errors.New("not an oci URL: oci://REGISTRY/REPOSITORY")
	}
	host, rest, _ := strings.Cut(rest, "/")
	if strings.Contains(host, "@") {
		return r, errors.New("an oci URL holds no user and password: add a [[credential]] to config.toml, or log in with docker or podman")
	}
	r.Registry = strings.ToLower(host)
	if i := strings.IndexAny(rest, ":@"); i >= 0 && rest[i] == '@' {
		r.Repository = rest[:i]
		if r.Digest, err = verify.ParseDigest(rest[i+1:]); err != nil || r.Digest.Algorithm() != "sha256" {
			return r, errors.New("after @, an oci URL has sha256: and a digest")
		}
		return r, r.check()
	}
	var tagged bool
	if r.Repository, rest, tagged = strings.Cut(rest, ":"); !tagged {
		r.Tag = HeadTag
		return r, r.check()
	}
	var escaped string
	r.Tag, escaped, _ = strings.Cut(rest, "/")
	if !tagForm.MatchString(r.Tag) {
		return r, fmt.Errorf("%.128q is not a tag of a registry", r.Tag)
	}
	if isWebURL(escaped) {
		if r.File, err = BareURL(escaped); err != nil || r.File != escaped {
			return r, errors.New("after its tag, an oci URL of a mirror has a URL without user, password and query")
		}
		return r, r.check()
	}
	if r.File, err = url.PathUnescape(escaped); err != nil || r.File != "" && ValidPath(r.File) != nil {
		return r, errors.New("after its tag, an oci URL has the path of a file")
	}
	return r, r.check()
}

func (r RegistryRef) check() error {
	if _, err := url.Parse("https://" + r.Registry + "/"); err != nil || !registryForm.MatchString(r.Registry) {
		return errors.New("an oci URL begins with the name of a registry: oci://REGISTRY/REPOSITORY")
	}
	if !repositoryForm.MatchString(r.Repository) || len(r.Registry)+len(r.Repository) > maxRepository {
		return fmt.Errorf("%.255q is not the name of a repository: lower-case letters and digits, with single . _ - between them", r.Repository)
	}
	return nil
}

func (r RegistryRef) String() string {
	repository := RegistryScheme + "://" + r.Registry + "/" + r.Repository
	switch {
	case !r.Digest.IsZero():
		return repository + "@sha256:" + r.Digest.Hex()
	case isWebURL(r.File):
		return repository + ":" + r.Tag + "/" + r.File
	case r.File != "":
		return repository + ":" + r.Tag + "/" + (&url.URL{Path: r.File}).EscapedPath()
	case r.Tag != HeadTag:
		return repository + ":" + r.Tag
	}
	return repository
}

// Mirrors reports whether r names what a mirror has of a URL.
func (r RegistryRef) Mirrors() bool { return isWebURL(r.File) }

func isWebURL(file string) bool {
	return strings.HasPrefix(file, "https://") || strings.HasPrefix(file, "http://")
}

// BareURL returns the URL ref without user, password, query and fragment, which may be
// secret, and with its host in lower case.
func BareURL(ref string) (string, error) {
	u, err := ParseURL(ref)
	if err != nil {
		return "", err
	}
	bare := url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host), Path: u.Path, RawPath: u.RawPath}
	return bare.String(), nil
}

// IsLoopback reports whether r's registry is on this machine. Only such a registry may
// speak http.
func (r RegistryRef) IsLoopback() bool { return IsLoopback(r.Registry) }

// IsLoopback reports whether host, which may have a port, is this machine by its name or
// address.
func IsLoopback(host string) bool {
	name := (&url.URL{Host: host}).Hostname()
	address, err := netip.ParseAddr(name)
	return strings.EqualFold(name, "localhost") || err == nil && address.IsLoopback()
}

// locateInRegistry is Locate for a ref to a registry. Only kist's own format has its
// documents there.
func locateInRegistry(where, name string) (string, error) {
	r, err := ParseRegistryRef(where)
	switch {
	case err != nil:
		return "", err
	case !r.Digest.IsZero():
		return "", errors.New("a channel has a tag, not a digest")
	case r.File != "" && r.File != name:
		return "", fmt.Errorf("a channel's location is oci://REGISTRY/REPOSITORY, or that with a colon and a tag")
	}
	r.File = name
	return r.String(), nil
}

// JoinArtifact returns the ref of an artifact that a manifest names by the path rel,
// relative to itself, with the digest d. In a registry, artifacts are blobs by digest.
func JoinArtifact(manifest, rel string, d verify.Digest) (string, error) {
	if !IsRegistryRef(manifest) {
		return Join(manifest, rel)
	}
	r, err := ParseRegistryRef(manifest)
	if err != nil {
		return "", fmt.Errorf("%s: %w", Redact(manifest), err)
	}
	if err := ValidPath(rel); err != nil {
		return "", err
	}
	return RegistryRef{Registry: r.Registry, Repository: r.Repository, Digest: d}.String(), nil
}

// ShortLocation returns the location of a channel without its user, password and query,
// for people. In a registry, that is the repository, and its tag unless that is HeadTag.
func ShortLocation(ref string) string {
	if r, err := ParseRegistryRef(ref); err == nil {
		if path.Base(r.File) == r.File {
			r.File = ""
		}
		return r.String()
	}
	u, err := url.Parse(ref)
	if err != nil {
		return "(not a URL)"
	}
	u.User, u.RawQuery, u.ForceQuery, u.Fragment = nil, "", false, ""
	return u.String()
}
