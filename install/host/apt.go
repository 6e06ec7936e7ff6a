package host

import (
	"io/fs"
	"path"
	"strings"

	"github.com/kist-tools/kist/manifests/debian"
)

// maxAptFiles is how many files of apt sources are read.
const maxAptFiles = 256

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
		for _, s := range debian.ParseSources(name, readSmall(root, name)) {
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
		for line := range strings.Lines(string(readSmall(root, strings.TrimLeft(path.Clean(file), "/")))) {
			if word := strings.Fields(line); len(word) > 0 && !strings.HasPrefix(word[0], "#") {
				list = append(list, word[0])
			}
		}
	}
	return list
}
