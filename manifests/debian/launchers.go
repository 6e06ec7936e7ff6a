package debian

import (
	"path"
	"strings"

	"github.com/kist-tools/kist/manifests"
)

// The programs of a package expect their libraries, the C library among them,
// below /usr, of the release that they were built for. In a prefix, a launcher
// starts them: a script that has the loader of that release load them with the
// libraries of that release. Nothing is exported for that, so that whatever a
// toolchain builds and starts is not affected, and nothing depends on the
// libraries of the machine.
//
// Beside the launchers, kist/lib and the like are links to what is below usr, for
// programs that look beside themselves: they are told the launcher's name as theirs.
//
// Source of how the loader is used: ld.so(8).

// A launcher is one file of a prefix.
type launcher struct {
	path   string
	script string // what follows header
	link   string // not empty: it is a link that leads here
}

// header finds the prefix, wherever it is by now and by whatever link the
// launcher was called. What the programs of a prefix start, several for each file
// that is compiled, they call by no link: the path says it. A link of kist's leads to
// the one of the user's prefixes that holds this very file. Only then readlink is
// asked, a process that takes longer than all the rest.
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

// Where launchers are.
const (
	binDir   = "kist/bin/"   // of the commands
	toolsDir = "kist/tools/" // of what the commands start by themselves
	hostDir  = "kist/host/"  // of what is linked with the C library of the machine
)

// start is a launcher that starts program, a pattern of the shell that one file of
// the prefix matches, after the lines before, which may change its arguments. The
// program is told that its name is that of the launcher.
func start(path, program, before string) launcher {
	return launcher{path: path, script: "name=$self\n" + before + `for program in "$top"/` + program + `; do :; done
exec "$top/usr/lib/{multiarch}/{loader}" --inhibit-cache --argv0 "$name" \
	--library-path "$top/usr/lib/{multiarch}" "$program" "$@"
`}
}

// each is a launcher in dir for each of the programs called names.
func each(dir, names, before string) (list []launcher) {
	for _, name := range strings.Fields(names) {
		list = append(list, start(dir+name, "usr/bin/"+name, before))
	}
	return list
}

// python starts Python.
func python(path string) launcher { return start(path, "usr/bin/python3", pycache+venv) }

const (
	// sysroot has a compiler find the C library below sysroot/, and what it starts
	// in kist/tools/.
	sysroot = `set -- -B"$top/kist/tools/" --sysroot="$top/sysroot" "$@"
`
	// clangSysroot is the same for clang, which starts itself, too, with a first
	// argument of its own, and which is to look for its files by its name.
	clangSysroot = `case $1 in
-cc1*) ;;
*) set -- -no-canonical-prefixes -B"$top/kist/tools/" --sysroot="$top/sysroot" "$@" ;;
esac
`
	// hostLibrary has what is linked be linked with the machine's own C library.
	hostLibrary = `set -- -L"$top/kist/host" "$@"
`
	// beside puts a toolchain's own programs first on PATH: rustc looks for cc
	// there, cargo for rustc, and a build script for either.
	beside = `PATH=$top/kist/bin:$top/kist/tools${PATH:+:$PATH}
export PATH
`
	// rustSysroot tells rustc where its library is, which it would look for beside
	// the loader.
	rustSysroot = `case " $* " in
*" --sysroot"*) ;;
*) set -- --sysroot "$top/usr" "$@" ;;
esac
`
	// asCargo tells cargo its name, which it hands to what it starts. Bookworm's
	// does not listen, and says that of the loader.
	asCargo = `CARGO=$self
export CARGO
`
	// libclang tells bindgen which libclang to load, and libclang where headers
	// are: those of the compiler and of the sysroot, none that a clang on PATH
	// has. Arguments for libclang follow the first "--".
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
	// pycache has Python keep what it compiles in the user's cache directory, if
	// there is one: the prefix stays as it is.
	pycache = `cache=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
if [ "$cache" ]; then
	set -- -X "pycache_prefix=$cache/pycache" "$@"
else
	set -- -B "$@"
fi
`
	// venv has Python see the virtual environment that the link it was called by
	// belongs to.
	venv = `if [ -e "${0%/*}/../pyvenv.cfg" ]; then name=$0; fi
`
	// meson starts Meson so that it takes the launcher for itself, which it writes
	// into build files, and finds its own ninja.
	meson = `NINJA=${NINJA:-$top/kist/tools/ninja}
export NINJA
exec "$top/kist/tools/python3" -I -c 'import sys; del sys.argv[0]; from mesonbuild.mesonmain import main; sys.exit(main())' "$self" "$@"
`
	dtrace = `exec "$top/kist/tools/python3" "$top/usr/bin/dtrace" "$@"
`
)

// gccParts are what gcc starts by itself.
func gccParts() []launcher {
	list := each(toolsDir, "as ld ld.bfd", "")
	for _, name := range strings.Fields("cc1 cc1plus collect2 lto1 lto-wrapper") {
		list = append(list, start(toolsDir+name, "usr/lib*/gcc/{multiarch}/*/"+name, ""))
	}
	return list
}

func gccLaunchers() []launcher {
	list := append(gccParts(), each(binDir, "gcc g++ cpp", sysroot)...)
	list = append(list, start(binDir+"cc", "usr/bin/gcc", sysroot), start(binDir+"c++", "usr/bin/g++", sysroot))
	list = append(list, each(binDir, "gcc-ar gcc-nm gcc-ranlib", `set -- -B"$top/kist/bin/" "$@"
`)...)
	return append(list, each(binDir, "addr2line ar as c++filt gcov ld nm objcopy objdump ranlib readelf size strings strip", "")...)
}

func clangLaunchers() []launcher {
	return append(each(toolsDir, "as ld ld.bfd", ""), each(binDir, "clang clang++", clangSysroot)...)
}

// rustLaunchers are those of a Rust with a compiler and a linker of its own. What
// it builds is linked with the machine's C library if linkHost.
func rustLaunchers(linkHost bool) []launcher {
	cc := sysroot
	if linkHost {
		cc += hostLibrary
	}
	list := append(gccParts(), start(toolsDir+"cc", "usr/bin/gcc", cc), start(toolsDir+"gcc", "usr/bin/gcc", cc))
	list = append(list, each(toolsDir, "ar nm objcopy ranlib strip", "")...)
	for _, name := range []string{"rustc", "rustdoc"} {
		list = append(list, start(binDir+name, apart+"usr/bin/"+name, beside+rustSysroot))
	}
	list = append(list, start(binDir+"cargo", "usr/bin/cargo", beside+asCargo),
		// Where rustdoc looks for the rustc that compiles examples: below what it
		// takes for Rust's directory, by where its library is or, if older, the loader.
		launcher{path: "usr/bin/rustc", link: "../../" + binDir + "rustc"}, launcher{path: "usr/lib/bin/rustc", link: "../../../" + binDir + "rustc"})
	if linkHost {
		list = append(list,
			launcher{path: hostDir + "libc.so", script: "GROUP ( {hostlib}/libc.so.6 -lc_nonshared AS_NEEDED ( {hostloader} ) )\n"},
			launcher{path: hostDir + "libm.so", script: "GROUP ( {hostlib}/libm.so.6 )\n"})
	}
	return list
}

// An arch is how an architecture is named where the C library is concerned.
type arch struct {
	multiarch  string // as Debian calls directories for it
	loader     string
	hostLoader string // where every machine has it
}

var archs = map[string]arch{
	"amd64": {"x86_64-linux-gnu", "ld-linux-x86-64.so.2", "/lib64/ld-linux-x86-64.so.2"},
	"arm64": {"aarch64-linux-gnu", "ld-linux-aarch64.so.1", "/lib/ld-linux-aarch64.so.1"},
}

// spell puts the names of architecture name into text.
func spell(name, text string) string {
	a := archs[name]
	return strings.NewReplacer("{multiarch}", a.multiarch, "{loader}", a.loader,
		"{hostlib}", "/lib/"+a.multiarch, "{hostloader}", a.hostLoader).Replace(text)
}

// files are the launchers of t for an architecture, and the links that they, and
// the packages, count on.
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
			files = append(files, manifests.File{Path: path.Join(SysrootDir, dir), Link: "usr/" + dir})
		}
	}
	for _, l := range t.launchers(linkHost) {
		f := manifests.File{Path: l.path, Link: l.link}
		switch {
		case l.link != "":
		case strings.HasPrefix(l.path, hostDir):
			f.Data = []byte(spell(name, l.script))
		default:
			f.Exec, f.Data = true, []byte(spell(name, header+l.script))
		}
		files = append(files, f)
	}
	return files
}
