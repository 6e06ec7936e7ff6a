// Package image makes OCI images of toolchains: an image layout (image-spec 1.1) in a
// directory, without a daemon and without root.
//
// [Write] takes toolchains that were installed into a store of their own, which nobody
// else uses, and writes that store as it would be at another place, the prefix:
//
//	the layers of the base, if there is one, as they are
//	with a base, a layer that hides what it has at the prefix
//	one layer for each toolchain: its files, and the archives that its proof needs
//	one small layer: receipts, evidence, the generation, the links, and the settings of channels
//
// In the image the store belongs to root, and every user may read it.
//
// # What an image depends on
//
// The same toolchains, proved by the same documents, give the same image, on
// every machine and at any time. The layer of a toolchain depends on its files alone: on no document,
// no other toolchain and no base. So it keeps its digest when the channel publishes
// something else, and registries and machines have it already. For that, the names of
// prefixes come from the digest of their files, and all times are fixed.
//
// # What is trusted
//
// The toolchains were proved when they were installed. While their files are written into
// a layer they are compared with their receipts. A base is copied unproved: its digests
// only show that it is whole.
package image

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/verify"
)

// DefaultPrefix is where in an image the store is, unless the user says otherwise.
const DefaultPrefix = "/opt/kist"

// systemPath is PATH in an image whose base sets none.
const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// maxLayers is how many layers an image may have: container engines that use overlay file
// systems mount no more.
const maxLayers = 120

// Options say what an image holds. User, Created and Base may be zero.
type Options struct {
	// Installed are the toolchains: all that the generation in force names. The data
	// and the state directory are data and state in Scratch.
	Installed *install.Installer
	// Scratch is the directory of that store (install.StoreDirs). Write keeps files in its
	// directory "image", which it makes.
	Scratch  *os.Root
	Settings channels.Store // has the channels of the toolchains that are not built in

	Prefix   string // of the store in the image: see CheckPrefix
	User     string // that processes run as: see CheckUser
	Platform manifests.Platform
	Created  time.Time // zero: see Written
	Base     *Base     // nil: the image has nothing but the store
}

// Written describes an image that was written.
type Written struct {
	Digest verify.Digest // of the manifest
	// Created is when the image was made, as it says: Options.Created, else when the newest
	// document that proves a toolchain was signed, else the beginning of 1970.
	Created    time.Time
	Toolchains []Toolchain
	Records    Layer // the last layer
	BaseLayers int
	Size       int64 // bytes of all layers
	Replaced   bool  // the directory had an image before
}

// A Toolchain is a toolchain in an image, and its layer.
type Toolchain struct {
	record.Head
	Layer
	Archives int // that its proof needs, and that are in the layer
}

// A Layer is a layer that was written.
type Layer struct {
	Digest verify.Digest // of the compressed layer
	Size   int64         // bytes of the compressed layer
	Had    bool          // the directory had this layer before

	content verify.Digest // the DiffID of image-spec: the digest before compression
}

// CheckPrefix checks the place of a store in an image: a clean absolute path below a
// directory of the root, with nothing that PATH or a layer could not hold.
func CheckPrefix(prefix string) error {
	switch {
	case !path.IsAbs(prefix) || path.Clean(prefix) != prefix || strings.Count(prefix, "/") < 2:
		return fmt.Errorf("%q is not a clean absolute path below a directory, such as %s", prefix, DefaultPrefix)
	case len(prefix) > 100 || strings.Trim(prefix, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-/") != "":
		return fmt.Errorf("%q: a prefix has at most 100 letters, digits, dots, +, - and _", prefix)
	case slices.ContainsFunc(strings.Split(prefix, "/"), func(e string) bool { return strings.HasPrefix(e, whiteout) }):
		return fmt.Errorf("%q: names that begin with %s are those of layers", prefix, whiteout)
	case slices.Contains([]string{"bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "proc", "run", "sbin", "sys", "usr"}, strings.Split(prefix, "/")[1]) &&
		!strings.HasPrefix(prefix, "/usr/local/"):
		return fmt.Errorf("%q belongs to the system: kist uses no store there", prefix)
	}
	return nil
}

// CheckUser checks the user of an image: UID or UID:GID, since names mean nothing without
// the files of a base.
func CheckUser(user string) error {
	ids := strings.Split(user, ":")
	for _, text := range ids {
		if n, err := strconv.ParseUint(text, 10, 31); err != nil || strconv.FormatUint(n, 10) != text || len(ids) > 2 {
			return fmt.Errorf("%q is not UID or UID:GID, in digits", user)
		}
	}
	return nil
}

// Write writes the image that o describes to the directory to, in place of what it has:
// see Layout. Its errors match verify.ErrUntrusted if the files of a toolchain are not
// those of its receipt, or the base is damaged.
func Write(ctx context.Context, to *Layout, o Options) (w Written, err error) {
	for _, check := range []error{CheckPrefix(o.Prefix), CheckUser(cmp.Or(o.User, "0"))} {
		if check != nil {
			return w, check
		}
	}
	defer func() { err = errors.Join(err, to.Abandon()) }()
	c, err := contentOf(o)
	if err != nil {
		return w, err
	}
	w.Created, w.Replaced = c.created, to.earlier != nil
	if n := len(c.releases) + 2 + o.Base.layers(); n > maxLayers {
		return w, &manifests.TooLargeError{Name: "the image, in layers", Limit: maxLayers}
	}
	img := newConfig(o, c.created)
	var layers []descriptor
	add := func(l Layer, why string) {
		layers = append(layers, descriptor{MediaType: layerType, Digest: l.Digest, Size: l.Size})
		img.addLayer(l.content, why, o)
		w.Size += l.Size
	}
	if o.Base != nil {
		if layers, err = o.Base.copyLayers(ctx, to); err != nil {
			return w, err
		}
		w.BaseLayers = len(layers)
		for _, d := range layers {
			w.Size += d.Size
		}
		hidden, err := to.putLayer(ctx, c.writeGround)
		if err != nil {
			return w, err
		}
		add(hidden, "hide what the base has in "+o.Prefix)
	}
	for _, r := range c.releases {
		t := Toolchain{Head: r.installed, Archives: len(r.archives)}
		if t.Layer, err = to.putLayer(ctx, r.write); err != nil {
			return w, fmt.Errorf("%s: %w", r.installed.Ref(), err)
		}
		add(t.Layer, r.installed.Ref())
		w.Toolchains = append(w.Toolchains, t)
	}
	if err := c.store(ctx); err != nil {
		return w, err
	}
	if w.Records, err = to.putLayer(ctx, c.writeRecords); err != nil {
		return w, err
	}
	add(w.Records, "receipts, evidence and links")
	text, err := img.encode()
	if err != nil {
		return w, err
	}
	config, err := to.putBlob(text)
	if err != nil {
		return w, err
	}
	w.Digest, err = to.finish(encode(manifest{SchemaVersion: 2, MediaType: manifestType,
		Config: descriptor{MediaType: configType, Digest: config, Size: int64(len(text))}, Layers: layers}), o.Platform)
	if err != nil {
		return w, err
	}
	return w, to.dropOld()
}

// contextWriter is a writer that fails once its context is done.
type contextWriter struct {
	ctx context.Context
	io.Writer
}

func (w contextWriter) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.Writer.Write(p)
}
