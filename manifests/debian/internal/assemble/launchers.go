package assemble

import (
	"path"
	"strings"

	"github.com/kist-tools/kist/manifests"
)

// The programs of a package expect their libraries, including the C library, below
// /usr, in the release they were built for. In a prefix, a launcher starts them: a
// script that runs that release's loader with that release's libraries. It exports
// nothing for this, so the programs that a toolchain builds and starts are not
// affected, and nothing depends on the machine's libraries.
//
// Next to the launchers, kist/lib and the like are links into usr, for programs that
// search relative to themselves: their argv[0] is the launcher.
//
// Source for the loader's options: ld.so(8).

// A launcher is one file of a prefix: a script or a link.
type launcher struct {
	path   string
	script string // appended to header
	link   string // if not empty, the file is a link to this target
}

// header finds the prefix, wherever it is now and through whatever link the launcher
// was called. A prefix's programs call each other, several times per compiled file,
// without a link: then $0 contains the prefix. A link made by kist is resolved by
// searching the user's prefixes for this very file. Only if both fail is readlink run,
// a process that takes longer than all the rest.
const header = `#!/bin/sh
self=$0
top=${self%/kist/*}
if [ -L "$self" ] || [ "${top#/}" = "$top" ] || ! [ -f "$top/usr/lib/{multiarch}/{loader}" ]; then
	for self in "${XDG_DATA_HOME:-$HOME/.local/share}"/kist/prefixes/*/kist/bin/"${0##*/}" ''; do
		if [ "$self" -ef "$0" ]; then break; fi
	done
	case $self in
	/*) ;;
	*) self=$(readlink -f -- "$0") || exit 127 ;;
	esac
	top=${self%/kist/*}
fi
`

// Directories of launchers.
const (
	binDir   = "kist/bin/"   // commands
	toolsDir = "kist/tools/" // programs that the commands start
	hostDir  = "kist/host/"  // linker scripts for the machine's C library
)

// start returns a launcher that runs program, a shell pattern that matches one file of
// the prefix. The lines of before run first and may change the arguments. The program's
// argv[0] is the launcher's name.
func start(path, program, before string) launcher {
	return launcher{path: path, script: "name=$self\n" + before + `for program in "$top"/` + program + `; do :; done
exec "$top/usr/lib/{multiarch}/{loader}" --inhibit-cache --argv0 "$name" \
	--library-path "$top/usr/lib/{multiarch}" "$program" "$@"
`}
}

// startEach returns a launcher in dir for each of the programs in names.
func startEach(dir, names, before string) (list []launcher) {
	for _, name := range strings.Fields(names) {
		list = append(list, start(dir+name, "usr/bin/"+name, before))
	}
	return list
}

// python returns a launcher of Python.
func python(path string) launcher { return start(path, "usr/bin/python3", pycache+venv) }

const (
	// sysroot makes a compiler find the C library below sysroot/, and its subprograms
	// in kist/tools/.
	sysroot = `set -- -B"$top/kist/tools/" --sysroot="$top/sysroot" "$@"
`
	// clangSysroot is the same for clang, which also starts itself with a first
	// argument of its own, and must search for its files relative to its name.
	clangSysroot = `case $1 in
-cc1*) ;;
*) set -- -no-canonical-prefixes -B"$top/kist/tools/" --sysroot="$top/sysroot" "$@" ;;
esac
`
	// hostLibrary makes the linker use the machine's own C library.
	hostLibrary = `set -- -L"$top/kist/host" "$@"
`
	// toolsOnPath puts a toolchain's own programs first on PATH: rustc looks for cc
	// there, cargo for rustc, and a build script for either.
	toolsOnPath = `PATH=$top/kist/bin:$top/kist/tools${PATH:+:$PATH}
export PATH
`
	// rustSysroot tells rustc where its library is; by default it looks next to the
	// loader.
	rustSysroot = `case " $* " in
*" --sysroot"*) ;;
*) set -- --sysroot "$top/usr" "$@" ;;
esac
`
	// asCargo sets CARGO, which cargo passes to the programs it starts. Bookworm's
	// cargo ignores it and passes the loader's path instead.
	asCargo = `CARGO=$self
export CARGO
`
	// libclang tells bindgen which libclang to load, and libclang where headers are:
	// those of the compiler and of the sysroot, not those of a clang on PATH. Arguments
	// for libclang follow the first "--".
	libclang = `for LIBCLANG_PATH in "$top"/usr/lib/llvm-*/lib; do :; done
for resources in "$LIBCLANG_PATH"/clang/*; do :; done
CLANG_PATH=/bin/true
export LIBCLANG_PATH CLANG_PATH
found=
for argument; do
	shift
	set -- "$@" "$argument"
	if [ "$argument$found" = -- ]; then
		found=yes
		set -- "$@" -resource-dir "$resources" --sysroot="$top/sysroot"
	fi
done
[ "$found" ] || set -- "$@" -- -resource-dir "$resources" --sysroot="$top/sysroot"
`
	// pycache makes Python write compiled files to the user's cache directory, if there
	// is one, so the prefix does not change.
	pycache = `cache=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
if [ "$cache" ]; then
	set -- -X "pycache_prefix=$cache/pycache" "$@"
else
	set -- -B "$@"
fi
`
	// venv makes Python find the virtual environment of the link it was called through.
	venv = `if [ -e "${0%/*}/../pyvenv.cfg" ]; then name=$0; fi
`
	// meson starts Meson so that it writes the launcher's path into build files as its
	// own, and finds its own ninja.
	meson = `NINJA=${NINJA:-$top/kist/tools/ninja}
export NINJA
exec "$top/kist/tools/python3" -I -c 'import sys; del sys.argv[0]; from mesonbuild.mesonmain import main; sys.exit(main())' "$self" "$@"
`
	dtrace = `exec "$top/kist/tools/python3" "$top/usr/bin/dtrace" "$@"
`
)

// gccParts returns launchers of the programs that gcc itself starts.
func gccParts() []launcher {
	list := startEach(toolsDir, "as ld ld.bfd", "")
	for _, name := range strings.Fields("cc1 cc1plus collect2 lto1 lto-wrapper") {
		list = append(list, start(toolsDir+name, "usr/lib*/gcc/{multiarch}/*/"+name, ""))
	}
	return list
}

func gccLaunchers() []launcher {
	list := append(gccParts(), startEach(binDir, "gcc g++ cpp", sysroot)...)
	list = append(list, start(binDir+"cc", "usr/bin/gcc", sysroot), start(binDir+"c++", "usr/bin/g++", sysroot))
	list = append(list, startEach(binDir, "gcc-ar gcc-nm gcc-ranlib", `set -- -B"$top/kist/bin/" "$@"
`)...)
	return append(list, startEach(binDir, "addr2line ar as c++filt gcov ld nm objcopy objdump ranlib readelf size strings strip", "")...)
}

func clangLaunchers() []launcher {
	return append(startEach(toolsDir, "as ld ld.bfd", ""), startEach(binDir, "clang clang++", clangSysroot)...)
}

// rustLaunchers returns the launchers of a Rust with its own compiler and linker. If
// linkHost is set, what it builds is linked with the machine's C library.
func rustLaunchers(linkHost bool) []launcher {
	cc := sysroot
	if linkHost {
		cc += hostLibrary
	}
	list := append(gccParts(), start(toolsDir+"cc", "usr/bin/gcc", cc), start(toolsDir+"gcc", "usr/bin/gcc", cc))
	list = append(list, startEach(toolsDir, "ar nm objcopy ranlib strip", "")...)
	for _, name := range []string{"rustc", "rustdoc"} {
		list = append(list, start(binDir+name, programsDir+"usr/bin/"+name, toolsOnPath+rustSysroot))
	}
	list = append(list, start(binDir+"cargo", "usr/bin/cargo", toolsOnPath+asCargo),
		// rustdoc looks here for the rustc that compiles examples: below the directory
		// it assumes is Rust's, derived from its library's path or, in older versions,
		// the loader's.
		launcher{path: "usr/bin/rustc", link: "../../" + binDir + "rustc"}, launcher{path: "usr/lib/bin/rustc", link: "../../../" + binDir + "rustc"})
	if linkHost {
		list = append(list,
			launcher{path: hostDir + "libc.so", script: "GROUP ( {hostlib}/libc.so.6 -lc_nonshared AS_NEEDED ( {hostloader} ) )\n"},
			launcher{path: hostDir + "libm.so", script: "GROUP ( {hostlib}/libm.so.6 )\n"})
	}
	return list
}

// An arch holds the names of an architecture's C library files.
type arch struct {
	multiarch  string // Debian's name of its library directory
	loader     string
	hostLoader string // its path on every machine
}

var archs = map[string]arch{
	"amd64": {"x86_64-linux-gnu", "ld-linux-x86-64.so.2", "/lib64/ld-linux-x86-64.so.2"},
	"arm64": {"aarch64-linux-gnu", "ld-linux-aarch64.so.1", "/lib/ld-linux-aarch64.so.1"},
}

// expand replaces the placeholders in text by the names of an architecture.
func expand(name, text string) string {
	a := archs[name]
	return strings.NewReplacer("{multiarch}", a.multiarch, "{loader}", a.loader,
		"{hostlib}", "/lib/"+a.multiarch, "{hostloader}", a.hostLoader).Replace(text)
}

// files returns the launchers of t for an architecture, and the links that they and the
// packages need.
func (t Tool) files(name string, linkHost bool) (files []manifests.File) {
	if t.launchers == nil {
		return nil
	}
	for _, dir := range []string{"include", "lib", "libexec", "share"} {
		files = append(files, manifests.File{Path: "kist/" + dir, Link: "../usr/" + dir})
	}
	for _, dir := range []string{"bin", "lib", "lib64", "sbin"} {
		files = append(files, manifests.File{Path: dir, Link: "usr/" + dir})
		if t.Sysroot != nil {
			files = append(files, manifests.File{Path: path.Join(sysrootDir, dir), Link: "usr/" + dir})
		}
	}
	for _, l := range t.launchers(linkHost) {
		f := manifests.File{Path: l.path, Link: l.link}
		switch {
		case l.link != "":
		case strings.HasPrefix(l.path, hostDir):
			f.Data = []byte(expand(name, l.script))
		default:
			f.Exec, f.Data = true, []byte(expand(name, header+l.script))
		}
		files = append(files, f)
	}
	return files
}
