package manifests

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/kist-tools/kist/verify"
)

// An Index is a list of a tool's versions that its origin does not sign. What it
// says is a Hint: it chooses a release, and never proves one.
type Index struct {
	Channel, Tool string
	Ref           string // of the list
	Parse         func([]byte) (Hint, error)
	Numbering     Numbering
	// Spare says that an exact version can be asked for while the list cannot be
	// reached, too, so without the date that it gives, and not only where there is none.
	Spare bool
}

// Fetch is that of a Source: it chooses the version that q asks for, and has prove
// bring the release, for the tool that the index is of. An exact version needs no
// index: it is tried whether it is listed or not, and also where the index is
// missing, empty or broken, or a web page. *UnknownVersionError says that it is neither listed nor
// to be had.
func (x Index) Fetch(ctx context.Context, t Transport, q Query, prove func(Query, Choice) (Release, error)) (Catalog, error) {
	if q.Tool != "" && q.Tool != x.Tool {
		return nil, &UnknownToolError{Channel: x.Channel, Tool: q.Tool, Near: []string{x.Tool}}
	}
	q.Tool = x.Tool
	hint, err := x.read(ctx, t)
	_, page := errors.AsType[*PageError](err)
	useless := errors.Is(err, ErrNotFound) || (page || errors.Is(err, verify.ErrUntrusted)) && !q.List ||
		x.Spare && errors.Is(err, ErrUnreachable) && ctx.Err() == nil
	if asked, _ := x.Numbering.Read(q.Version); err != nil && !(useless && x.Numbering.Exact(asked)) {
		return nil, err
	}
	if listing, ok := hint.Listing(x.Channel, q.Request, x.Numbering); ok {
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
	return Chosen{Asked: q.Request, Release: release, Hint: hint, Numbering: x.Numbering}, nil
}

func (x Index) read(ctx context.Context, t Transport) (Hint, error) {
	data, err := ReadAll(ctx, t, x.Ref, MaxHint)
	if err != nil {
		return nil, err
	}
	var hint Hint
	if err = countHint(data); err == nil {
		hint, err = x.Parse(data)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", Redact(x.Ref), verify.ErrUntrusted, err)
	}
	return hint, nil
}

// maxHintValues is how many values and elements an index may have. The longest of
// an upstream, Julia's, has 20,000.
const maxHintValues = 512 << 10

// countHint refuses an index, in JSON or XML, whose parts would take many times its
// size in memory. It counts what begins a part, and in JSON what separates two.
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
