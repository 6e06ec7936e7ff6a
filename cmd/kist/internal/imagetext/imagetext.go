// Package imagetext describes an image that kist image wrote, for people and as JSON.
package imagetext

import (
	"time"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/image"
	"github.com/kist-tools/kist/verify"
)

// Written is an image that was written.
type Written struct {
	Dir        string        `json:"dir"`
	Replaced   bool          `json:"replaced,omitempty"` // there was an image before
	Digest     verify.Digest `json:"digest"`             // of the manifest
	Created    time.Time     `json:"created"`
	Size       int64         `json:"size"` // bytes of all layers
	Base       *Base         `json:"base,omitempty"`
	Toolchains []Toolchain   `json:"toolchains"`
	Records    Layer         `json:"records"` // the last layer
	Prefix     string        `json:"prefix"`
}

// A Base is the image that it begins with.
type Base struct {
	Name   string        `json:"name"`
	Digest verify.Digest `json:"digest"`
	Layers int           `json:"layers"`
}

// A Layer is a layer that kist made.
type Layer struct {
	Digest verify.Digest `json:"digest"`
	Size   int64         `json:"size"`             // bytes
	Had    bool          `json:"before,omitempty"` // the image before had it
}

// A Toolchain is a toolchain and its layer.
type Toolchain struct {
	Release string `json:"release"`
	Layer
	Archives int `json:"archives,omitempty"` // in the layer, since the signature is over them
}

// New describes w, which was written to dir.
func New(dir, prefix string, base *image.Base, w image.Written) Written {
	r := Written{Dir: dir, Replaced: w.Replaced, Digest: w.Digest, Created: w.Created, Size: w.Size, Prefix: prefix, Records: layer(w.Records), Toolchains: []Toolchain{}}
	if base != nil {
		r.Base = &Base{base.Name, base.Digest, w.BaseLayers}
	}
	for _, t := range w.Toolchains {
		r.Toolchains = append(r.Toolchains, Toolchain{t.Ref(), layer(t.Layer), t.Archives})
	}
	return r
}

func layer(l image.Layer) Layer { return Layer{l.Digest, l.Size, l.Had} }

func (r Written) Render(p *term.Page) {
	did := "Wrote"
	if r.Replaced {
		did = "Replaced"
	}
	p.Headline(did, "image %s: %s, %s", r.Dir, term.Count(len(r.Toolchains), "toolchain"), term.ByteSize(r.Size))
	for _, t := range r.Toolchains {
		p.Line("  %s: %s%s", t.Release, term.ByteSize(t.Size), t.note())
	}
	p.Line("  receipts, evidence and links: %s%s", term.ByteSize(r.Records.Size), r.Records.note())
	if r.Base != nil {
		p.Line("  base %s: %s, not verified (sha256:%s)", r.Base.Name, term.Count(r.Base.Layers, "layer"), r.Base.Digest.Hex())
	}
	p.Line("digest: sha256:%s", r.Digest.Hex())
	p.Line("in the image: kist --store %s verify --evidence", r.Prefix)
}

func (l Layer) note() string {
	if l.Had {
		return ", as before"
	}
	return ""
}

func (t Toolchain) note() string {
	text := t.Layer.note()
	if t.Archives > 0 {
		text += ", with " + term.Count(t.Archives, "archive") + " that its signature is over"
	}
	return text
}
