package publish

import (
	"fmt"

	"github.com/kist-tools/kist/manifests/native"
)

// The states of a release.
const (
	statePublished = "published" // users get it
	stateWaiting   = "waiting"   // it is in the manifest that gathers signatures
	stateDraft     = "draft"     // nobody has signed it yet
	stateRemoved   = "removed"   // users get it until the draft is published
)

// A ListedRelease is a release and its state, as shown to the publisher.
type ListedRelease struct {
	Tool      string           `json:"tool"`
	Version   string           `json:"version"`
	Labels    []string         `json:"labels,omitempty"`
	Commands  []string         `json:"commands,omitempty"`
	State     string           `json:"state"`
	Artifacts []ListedArtifact `json:"artifacts"`
}

// A ListedArtifact is an artifact of a ListedRelease.
type ListedArtifact struct {
	ArtifactSummary
	Optional bool     `json:"optional,omitempty"`
	URLs     []string `json:"urls,omitempty"`
}

// An ArtifactSummary is what a publisher is shown of an artifact.
type ArtifactSummary struct {
	Platform  string `json:"platform"`
	Component string `json:"component"`
	Format    string `json:"format"`
	Strip     int    `json:"strip"`
	Path      string `json:"path,omitempty"` // relative to the directory
	Size      int64  `json:"size"`
	SHA256    string `json:"sha256"` // hexadecimal
}

// Summarize returns the summary of a.
func Summarize(a native.Artifact) ArtifactSummary {
	return ArtifactSummary{a.Platform.String(), a.Component, a.Format, a.Strip, a.Path, a.Size, a.SHA256.Hex()}
}

// A Listing is what a channel offers, as shown to its publisher.
type Listing struct {
	Channel   string             `json:"channel"`
	Releases  []ListedRelease    `json:"releases"` // never nil
	Sets      []ListedSet        `json:"sets,omitempty"`
	Withdrawn []ListedWithdrawal `json:"withdrawn,omitempty"` // what the channel withdraws
}

// List lists the releases, the sets and the withdrawals of the channel: those that it will
// have once everything is signed, then the published ones that were removed since.
func (d Dir) List() (Listing, error) {
	s, m, err := d.loadWork()
	if err != nil {
		return Listing{}, err
	}
	published, waiting := &native.Manifest{}, &native.Manifest{}
	if s.published != nil {
		if published, err = parse(ManifestFile, s.published); err != nil {
			return Listing{}, err
		}
	}
	if s.next != nil {
		if waiting, err = parse(NextFile, s.next); err != nil {
			return Listing{}, err
		}
	}
	list := Listing{Channel: s.channel, Releases: []ListedRelease{}, Sets: listSets(m, published, waiting), Withdrawn: listWithdrawals(m, published, waiting)}
	add := func(r native.Release, state string) {
		one := ListedRelease{Tool: r.Tool, Version: r.Version, Labels: r.Labels, Commands: r.Commands, State: state}
		for _, a := range r.Artifacts {
			one.Artifacts = append(one.Artifacts, ListedArtifact{Summarize(a), a.Optional, a.URLs})
		}
		list.Releases = append(list.Releases, one)
	}
	now, inPublished, inWaiting := texts(m), texts(published), texts(waiting)
	for _, r := range m.Releases {
		switch key := [2]string{r.Tool, r.Version}; now[key] {
		case inPublished[key]:
			add(r, statePublished)
		case inWaiting[key]:
			add(r, stateWaiting)
		default:
			add(r, stateDraft)
		}
	}
	for _, r := range published.Releases {
		if _, ok := now[[2]string{r.Tool, r.Version}]; !ok {
			add(r, stateRemoved)
		}
	}
	return list, nil
}

// texts returns each release of m as one text, by tool and version.
func texts(m *native.Manifest) map[[2]string]string {
	all := map[[2]string]string{}
	for _, r := range m.Releases {
		all[[2]string{r.Tool, r.Version}] = fmt.Sprintf("%v %v %v %v", r.Labels, r.Commands, r.Witness, r.Artifacts)
	}
	return all
}
