package host

import (
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/kist-tools/kist/manifests/debian"
)

// Ceilings on a machine's apt sources.
const (
	maxAptFile  = 1 << 20 // bytes
	maxAptFiles = 256
)

// AptSources reads the apt sources of the machine whose root directory is root:
// sources.list first, then the files of sources.list.d in order. Files that cannot
// be read are skipped, because sources only say where to look for archives and are
// not trusted. Source: sources.list(5).
func AptSources(root fs.FS) (list []debian.AptSource) {
	names := []string{"etc/apt/sources.list"}
	for _, pattern := range []string{"etc/apt/sources.list.d/*.list", "etc/apt/sources.list.d/*.sources"} {
		found, _ := fs.Glob(root, pattern)
		names = append(names, found...)
	}
	for _, name := range names[:min(len(names), maxAptFiles)] {
		for _, s := range debian.ParseSources(name, aptFile(root, name)) {
			s.URIs = listedMirrors(root, s.URIs)
			list = append(list, s)
		}
	}
	return list
}

// listedMirrors replaces each mirror+file URI, which cloud images use, by the mirrors
// that its local file lists. Source: apt-transport-mirror(1).
func listedMirrors(root fs.FS, uris []string) (list []string) {
	for _, uri := range uris {
		file, ok := strings.CutPrefix(uri, "mirror+file:")
		if !ok {
			list = append(list, uri)
			continue
		}
		for line := range strings.Lines(string(aptFile(root, strings.TrimLeft(path.Clean(file), "/")))) {
			if word := strings.Fields(line); len(word) > 0 && !strings.HasPrefix(word[0], "#") {
				list = append(list, word[0])
			}
		}
	}
	return list
}

// aptFile reads the file name below root, and returns nil if it is not a regular file
// of at most maxAptFile bytes.
func aptFile(root fs.FS, name string) []byte {
	if info, err := fs.Stat(root, name); err != nil || !info.Mode().IsRegular() {
		return nil // a pipe would be waited for
	}
	f, err := root.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxAptFile+1))
	if err != nil || len(data) > maxAptFile {
		return nil
	}
	return data
}
