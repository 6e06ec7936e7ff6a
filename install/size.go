package install

import (
	"context"
	"slices"

	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
)

// Files returns the files of r, each once: a file is fetched once, even if it is unpacked
// to several places.
func Files(r manifests.Release) (list []manifests.Artifact) {
	for _, artifact := range r.Artifacts {
		d := artifact.Integrity.Digest
		if d.IsZero() || !slices.ContainsFunc(list, func(have manifests.Artifact) bool { return have.Integrity.Digest == d }) {
			list = append(list, artifact)
		}
	}
	return list
}

// Size returns how many bytes are to be fetched for in, as the proved documents state it,
// else as the server announces it now; 0 if it is unknown.
func (i *Installer) Size(ctx context.Context, in plan.Install) (total int64, announced bool) {
	for _, artifact := range Files(in.Release) {
		if slices.Contains(in.Reuse, artifact.Component) {
			continue
		}
		size := artifact.Size
		if size == 0 {
			answer, err := manifests.SizeOf(ctx, i.o.Transport, artifact.Refs[0])
			if err != nil {
				return 0, false
			}
			size, announced = answer, true
		}
		if size < 0 || size > manifests.MaxArtifact {
			return 0, false
		}
		total += size
	}
	return total, announced
}

// Occupied returns the size of an installed release, as its receipt states it. Errors are
// those of Receipt.
func (i *Installer) Occupied(id record.ID) (Unpacked, error) {
	r, err := i.Receipt(id)
	return unpackedSize(r.Entries), err
}
