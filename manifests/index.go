package manifests

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/kist-tools/kist/verify"
)

// An Index is an unsigned list of a tool's versions. Its content is a VersionIndex: it
// chooses a release, and never proves one.
type Index struct {
	Channel, Tool string
	Ref           string // where the list is
	Parse         func([]byte) (VersionIndex, error)
	Numbering     Numbering
	// Spare allows an exact version to be installed while the list is unreachable,
	// although the release date is then unknown. Without Spare that is allowed only
	// if the list is missing or broken.
	Spare bool
}

// Fetch implements Source.Fetch for a source with an unsigned index. It chooses the
// version that q requests and calls prove to fetch and verify that release. An exact
// version needs no index: it is tried even if the index does not list it, or is
// missing, empty, broken or a web page. The error is an *UnknownVersionError if the
// version is neither listed nor found.
func (x Index) Fetch(ctx context.Context, t Transport, q Query, prove func(Query, Match) (Release, error)) (Catalog, error) {
	if q.Tool != "" && q.Tool != x.Tool {
		return nil, &UnknownToolError{Channel: x.Channel, Tool: q.Tool, Near: []string{x.Tool}}
	}
	q.Tool = x.Tool
	hint, err := x.read(ctx, t)
	_, page := errors.AsType[*PageError](err)
	noIndex := errors.Is(err, ErrNotFound) || (page || errors.Is(err, verify.ErrUntrusted)) && !q.List ||
		x.Spare && errors.Is(err, ErrUnreachable) && ctx.Err() == nil
	if version, _ := x.Numbering.Read(q.Version); err != nil && !(noIndex && x.Numbering.Exact(version)) {
		return nil, err
	}
	if listing, ok := hint.listing(x.Channel, q.Request, x.Numbering); ok {
		return listing, nil
	}
	choice, err := hint.Choose(x.Channel, q.Request, x.Numbering)
	if err != nil {
		return nil, err
	}
	release, err := prove(q, choice)
	if errors.Is(err, ErrNotFound) && choice.Missing != nil {
		return nil, choice.Missing
	} else if err != nil {
		return nil, err
	}
	release.Labels = choice.Labels
	if choice.Listed {
		release.Evidence.Notes = append(slices.Clip(release.Evidence.Notes), Unsigned)
	}
	return SingleRelease{Asked: q.Request, Release: release, Hint: hint, Numbering: x.Numbering}, nil
}

func (x Index) read(ctx context.Context, t Transport) (VersionIndex, error) {
	data, err := ReadAll(ctx, t, x.Ref, MaxHint)
	if err != nil {
		return nil, err
	}
	var hint VersionIndex
	if err = countHint(data); err == nil {
		hint, err = x.Parse(data)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", Redact(x.Ref), verify.ErrUntrusted, err)
	}
	return hint, nil
}

// maxHintValues is how many values and elements an index may have. The longest real
// one, Julia's, has 20,000.
const maxHintValues = 512 << 10

// countHint refuses an index, in JSON or XML, that would take many times its size in
// memory when parsed. It counts the characters that begin or separate values.
func countHint(data []byte) error {
	n := 0
	for _, c := range data {
		switch c {
		case '[', '{', ',', '<', '=':
			n++
		}
	}
	if n > maxHintValues {
		return fmt.Errorf("%d values, over the limit of %d", n, maxHintValues)
	}
	return nil
}
