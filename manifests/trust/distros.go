package trust

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/debian"
	"github.com/kist-tools/kist/manifests/upstreams"
)

// A ShippedVersion is the version of a tool that one distribution ships.
type ShippedVersion struct {
	Distro   string `json:"distro"`             // its channel
	Version  string `json:"version,omitempty"`  // as the distribution writes it; empty: not shipped
	Upstream string `json:"upstream,omitempty"` // the upstream part of Version
	Signed   string `json:"signed,omitempty"`   // date of the suite that ships it
}

// A NoPackagesError reports that kist builds no such tool from a distribution's packages.
type NoPackagesError struct{ Tool string }

func (e *NoPackagesError) Error() string {
	return fmt.Sprintf("kist cannot install %q from distribution packages, only %s", e.Tool, strings.Join(debian.Names(), ", "))
}
func (*NoPackagesError) Kind() string { return "unknown" }

// Shipped returns the versions of a tool that the distributions called names ship. Without
// names it asks all that may offer the tool, and leaves out those that cannot be reached.
func (d *Desk) Shipped(ctx context.Context, tool string, names []string) (list []ShippedVersion, leftOut []string, err error) {
	if !slices.Contains(debian.Names(), tool) {
		return nil, nil, &NoPackagesError{tool}
	}
	all := len(names) == 0
	if all {
		if names, err = d.distros(tool); err != nil {
			return nil, nil, err
		}
	}
	list = []ShippedVersion{}
	for _, name := range names {
		v, err := d.shipped(ctx, name, tool)
		if all && errors.Is(err, manifests.ErrUnreachable) {
			d.Warn(fmt.Sprintf("%s is left out: %v", name, err))
			leftOut = append(leftOut, name)
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		one := ShippedVersion{Distro: name}
		if v.Version != "" {
			one.Version, one.Upstream, one.Signed = v.Version, debian.Upstream(v.Version), v.Date.UTC().Format(time.DateOnly)
		}
		list = append(list, one)
	}
	return list, leftOut, nil
}

// Lowest returns the lowest upstream version in list, or "" if there is none.
func Lowest(list []ShippedVersion) (lowest string) {
	for _, v := range list {
		if v.Version != "" && (lowest == "" || debian.Compare(v.Upstream, lowest) < 0) {
			lowest = v.Upstream
		}
	}
	return lowest
}

// distros returns the distribution channels that may offer a tool: built-in ones and
// those the user added.
func (d *Desk) distros(tool string) ([]string, error) {
	names := upstreams.Distros(tool)
	added, err := d.listChannels()
	for _, c := range added {
		if c.Format == "debian" && c.Grants(tool, IsBuiltin) {
			names = append(names, c.Name)
		}
	}
	return names, err
}

// shipped returns the version of a tool that one distribution ships, according to its
// signed indices; the zero Version if it ships none.
func (d *Desk) shipped(ctx context.Context, distro, tool string) (v manifests.Version, err error) {
	b, err := d.Named(ctx, distro)
	if unknown, ok := errors.AsType[*channels.UnknownChannelError](err); ok {
		unknown.Near = manifests.Near(distro, upstreams.Distros(tool))
	}
	if err != nil {
		return v, err
	}
	if b.indices == nil {
		return v, manifests.Invalid("list --distros: channel %s is not a distribution", distro)
	}
	q := d.Request(Ref{Name: tool})
	q.List = true
	cat, err := d.Fetch(ctx, b, q)
	if err != nil {
		return v, err
	}
	if all := cat.Versions(tool); len(all) > 0 {
		v = all[len(all)-1]
	}
	return v, nil
}
