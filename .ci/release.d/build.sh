# Builds the programs and everything around them.

largest=22000000 # bytes that a program may have; docs/benchmarks.md says what it has

# build makes release $1 in the directory $2.
build() {
	local version=$1 dir=$2 part='(0|[1-9][0-9]*)'
	[[ $version =~ ^$part\.$part\.$part(-[0-9A-Za-z]+(\.[0-9A-Za-z]+)*)?$ ]] ||
		fail "$version is not a version such as 0.1.0 or 0.2.0-rc.1 (semver.org, without build metadata)"
	mkdir -p "$dir"
	dir=$(cd "$dir" && pwd)
	[[ -z $(ls -A "$dir") ]] || fail "$dir is not empty"
	check_keys
	[[ -z $previous ]] || check_previous
	clean_checkout "$version"
	local src=$work/src commit epoch
	commit=$(git -C "$src" rev-parse HEAD)
	epoch=$(git -C "$src" log -1 --format=%ct)
	export SOURCE_DATE_EPOCH=$epoch
	[[ -z $previous ]] || cp -a "$previous/." "$dir/"
	[[ ! -e $dir/$version ]] || fail "$previous already has release $version"
	mkdir "$dir/$version"

	settings
	local platform
	for platform in $platforms; do
		compile "$platform"
	done
	describe "$version" "$commit"
	for platform in $platforms; do
		archive "$version" "$platform" "$dir/$version"
		[[ $platform != linux/* ]] || packages "$version" "${platform#linux/}" "$dir/$version"
	done
	(
		cd "$src"
		go run ./.ci/statements sbom "$version" "$commit" "$epoch" "$work"/bin/*/* >"$dir/$version/kist-$version.cdx.json"
		go run ./.ci/statements provenance "$version" "$commit" "$epoch" "$dir/$version" >"$work/provenance.json"
	)
	mv "$work/provenance.json" "$dir/$version/kist-$version.provenance.json"
	(cd "$dir/$version" && sha256sum ./* | sed 's| \./| |' >"$work/SHA256SUMS")
	mv "$work/SHA256SUMS" "$dir/$version/"
	repositories "$version" "$dir"
	echo "kist $version of commit $commit, for $platforms, in $dir"
	echo "its digest is $(contents "$dir" "$version")"
}

# check_previous proves the release to go on from: what it offers will be signed again.
check_previous() (
	dir=$previous version=$(newest "$previous")
	release_keyring
	check_signatures
)

# check_keys refuses to build for keys that nobody should trust.
check_keys() {
	compgen -G "$keys/*.asc" >/dev/null || fail "no release keys in $keys; name a directory with --keys"
	! grep -qi placeholder "$keys"/* || fail "the keys in $keys are placeholders, which must not sign a release"
	[[ $keys != "$root/verify/keyrings/kist" ]] || (cd "$root" && go test -count=1 -tags release -run TestReleaseKeys ./verify/keyrings) ||
		fail "kist itself does not trust the release keys"
}

# clean_checkout makes work/src, a clone of the commit with no tag but that of version $1.
# The go command takes version and commit from there, and records them in the program.
clean_checkout() {
	local version=$1 commit tagged changed
	commit=$(git -C "$root" rev-parse HEAD) || fail "$root is no git checkout"
	changed=$(git -C "$root" status --porcelain --untracked-files=all)
	[[ -z $changed ]] || fail "the checkout has changes that are not committed:"$'\n'"$changed"
	tagged=$(git -C "$root" rev-parse --quiet --verify "refs/tags/v$version^{commit}" || true)
	[[ -z $tagged || $tagged == "$commit" ]] || fail "tag v$version is another commit, $tagged"
	git -c advice.detachedHead=false clone --quiet --no-tags -c core.autocrlf=false "$root" "$work/src"
	git -C "$work/src" checkout --quiet --detach "$commit"
	git -C "$work/src" update-ref "refs/tags/v$version" "$commit"
}

# settings leaves nothing about the build to the caller's environment, except where
# modules come from: go.sum decides what they are.
settings() {
	GOPROXY=$(go env GOPROXY) GOSUMDB=$(go env GOSUMDB) GOCACHE=$(go env GOCACHE) GOMODCACHE=$(go env GOMODCACHE)
	export GOPROXY GOSUMDB GOCACHE GOMODCACHE
	export GOENV=off GOWORK=off GOTOOLCHAIN=local GOFLAGS='' GOEXPERIMENT='' GODEBUG='' GOFIPS140=off
	export GOAMD64=v1 GOARM64=v8.0 GORISCV64=rva20u64 CGO_ENABLED=0
}

# compile builds the program of platform $1 into work/bin/OS-ARCH. The command line is
# the one in SECURITY.md.
compile() {
	local os=${1%/*} arch=${1#*/} exe='' out size
	[[ $os != windows ]] || exe=.exe
	out=$work/bin/$os-$arch/kist$exe
	(cd "$work/src" && GOOS=$os GOARCH=$arch go build -trimpath -buildvcs=true -ldflags='-s -w -buildid=' -o "$out" ./cmd/kist)
	size=$(stat -c %s "$out")
	echo "built $1, $size bytes"
	((size <= largest)) || fail "the program for $1 is larger than $largest bytes: find out why before you raise the limit"
}

# describe makes work/doc: the manual pages, the completions and the licenses, which are
# the same on every platform.
describe() {
	local version=$1 commit=$2 doc=$work/doc kist
	kist=$(host_program)
	[[ $("$kist" version --json) == *"\"v$version\""*"\"$commit\""* ]] || fail "the program does not state version $version and commit $commit"
	mkdir -p "$doc/completions"
	"$kist" man "$doc/man" >/dev/null
	"$kist" completion bash >"$doc/completions/kist.bash"
	"$kist" completion zsh >"$doc/completions/_kist"
	"$kist" completion fish >"$doc/completions/kist.fish"
	"$kist" completion powershell >"$doc/completions/kist.ps1"
	cp "$work/src/README.md" "$work/src/LICENSE" "$doc/"
	third_party >"$doc/THIRD-PARTY-LICENSES"
}

# host_program prints the path of a kist that runs on this machine.
host_program() {
	local host
	host=$(go env GOHOSTOS)/$(go env GOHOSTARCH)
	[[ -e $work/bin/${host/\//-}/kist ]] || {
		(cd "$work/src" && go build -trimpath -buildvcs=true -ldflags='-s -w -buildid=' -o "$work/host/kist" ./cmd/kist)
		echo "$work/host/kist"
		return
	}
	echo "$work/bin/${host/\//-}/kist"
}

# third_party prints the licenses of all that is linked into kist on any platform.
third_party() (
	cd "$work/src"
	echo "kist contains code of the following projects."
	printf '\n==== The Go standard library\n\n'
	cat "$(go env GOROOT)/LICENSE"
	for module in $(for os in linux darwin windows; do
		GOOS=$os go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}' ./cmd/kist
	done | sort -u); do
		dir=$(go list -m -f '{{.Dir}}' "$module")
		printf '\n==== %s\n' "$module"
		for file in "$dir"/LICEN[SC]E* "$dir"/COPYING* "$dir"/NOTICE*; do
			[[ ! -f $file ]] || { echo && cat "$file"; }
		done
	done
)

# archive packs the program of platform $2 with its papers into the directory $3.
archive() {
	local version=$1 platform=$2 to=$3 os=${2%/*} name
	name=kist-$version-${platform/\//-}
	local tree=$work/archive/$name
	mkdir -p "$tree/completions"
	cp "$work/bin/${platform/\//-}"/kist* "$work/doc"/{README.md,LICENSE,THIRD-PARTY-LICENSES} "$tree/"
	if [[ $os == windows ]]; then
		cp "$work/doc/completions/kist.ps1" "$tree/completions/"
		settle "$tree"
		(cd "$work/archive" && find "$name" | sort | zip -q -X -@ "$to/$name.zip")
		return
	fi
	cp "$work/doc/completions"/* "$tree/completions/"
	mkdir -p "$tree/man/man1" && cp "$work/doc/man"/*.1 "$tree/man/man1/"
	settle "$tree"
	tar -C "$work/archive" --sort=name --owner=0 --group=0 --numeric-owner --format=ustar -cf - "$name" | gzip -9n >"$to/$name.tar.gz"
}

# settle gives a tree the modes and times that do not depend on who builds, and when.
settle() {
	chmod -R u=rwX,go=rX "$1"
	find "$1" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
}

digest() { sha256sum "$1" | cut -d ' ' -f 1; }
