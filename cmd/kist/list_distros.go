package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/debian"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/verify"
)

// everyDistro is the value of --distros given without names.
const everyDistro = "all"

// A distroQuestion holds the flags of list --distros.
type distroQuestion struct {
	names   []string
	minimum bool
}

// A shippedVersion is the version of a tool that one distribution ships.
type shippedVersion struct {
	Distro   string `json:"distro"`             // its channel
	Version  string `json:"version,omitempty"`  // as the distribution writes it; empty: not shipped
	Upstream string `json:"upstream,omitempty"` // the upstream part of Version
	Signed   string `json:"signed,omitempty"`   // date of the suite that ships it
}

type distrosResult struct {
	Tool    string           `json:"tool"`
	Distros []shippedVersion `json:"distros"`
	Minimum string           `json:"minimum,omitempty"`  // the lowest upstream version among them
	LeftOut []string         `json:"left_out,omitempty"` // could not be reached

	minimum bool
}

func (r distrosResult) text(p *term.Page) {
	if r.minimum {
		p.Line("%s", r.Minimum)
		return
	}
	rows := [][]string{{"DISTRO", strings.ToUpper(r.Tool), "VERSION", "SUITE OF"}}
	for _, d := range r.Distros {
		if d.Version == "" {
			d.Version, d.Upstream = "-", "-"
		}
		rows = append(rows, []string{d.Distro, d.Upstream, d.Version, d.Signed})
	}
	p.Table(rows)
}

// A noPackagesError reports that kist builds no such tool from a distribution's
// packages.
type noPackagesError struct{ Tool string }

func (e *noPackagesError) Error() string {
	return fmt.Sprintf("kist cannot install %q from distribution packages, only %s", e.Tool, strings.Join(debian.Names(), ", "))
}
func (*noPackagesError) Kind() string { return "unknown" }

// listDistros lists the versions of a tool that distributions ship.
func (a *app) listDistros(ctx context.Context, s *session, args []string, ask distroQuestion) (result, error) {
	if len(args) == 0 {
		return nil, usage("list --distros needs the name of a tool")
	}
	if len(ask.names) == 0 {
		return nil, usage("list --minimum requires --distros")
	}
	tool, err := trust.ParseRef(args[0])
	if err != nil || tool.Channel != "" || tool.Version != "" {
		return nil, usage("list --distros takes the bare name of a tool")
	}
	if !slices.Contains(debian.Names(), tool.Name) {
		return nil, &noPackagesError{tool.Name}
	}
	named := ask.names[0] != everyDistro
	if len(args) == 2 {
		if named {
			return nil, usage("list: name the distributions once, after --distros")
		}
		ask.names, named = strings.Split(args[1], ","), true
	}
	if !named {
		if ask.names, err = s.desk.Distros(tool.Name); err != nil {
			return nil, err
		}
	}
	r := distrosResult{Tool: tool.Name, Distros: []shippedVersion{}, minimum: ask.minimum}
	for _, name := range ask.names {
		v, err := s.desk.Shipped(ctx, name, tool.Name)
		if !named && errors.Is(err, manifests.ErrUnreachable) {
			a.Warn("%s is left out: %v", name, err)
			r.LeftOut = append(r.LeftOut, name)
			continue
		}
		if err != nil {
			return nil, err
		}
		d := shippedVersion{Distro: name}
		if v.Version != "" {
			d.Version, d.Upstream, d.Signed = v.Version, debian.Upstream(v.Version), v.Date.UTC().Format(time.DateOnly)
		}
		r.Distros = append(r.Distros, d)
	}
	for _, d := range r.Distros {
		if d.Version == "" && ask.minimum {
			return nil, &manifests.UnknownToolError{Channel: d.Distro, Tool: tool.Name}
		}
		if d.Version != "" && (r.Minimum == "" || debian.Compare(d.Upstream, r.Minimum) < 0) {
			r.Minimum = d.Upstream
		}
	}
	if ask.minimum && r.Minimum == "" {
		return nil, verify.Errorf(manifests.ErrUnreachable, "no distribution could be reached for its version of %s", tool.Name)
	}
	return r, nil
}
