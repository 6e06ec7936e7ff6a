# Verifies release $version in $dir: as its users do, and as a second builder does.

# newest prints the newest release in $1.
newest() { (cd "$1" && ls -d [0-9]*.[0-9]*.[0-9]*) | sed 's/-/~/' | sort -V | tail -n 1 | sed 's/~/-/'; }

# check verifies what users get, by the release keys of this checkout.
check() {
	local key certificates=()
	release_keyring
	cmp -s "$work/keys.gpg" "$dir/kist-release.gpg" || fail "kist-release.gpg does not have the release keys"
	check_signatures
	(($(date -d "$(sed -n 's/^Valid-Until: //p' "$work/InRelease")" +%s) > $(date +%s))) || fail "apt/InRelease has expired"
	for key in "$keys"/*.asc; do
		certificates+=(--key "$key")
	done
	kist publish verify "$dir/channel" "${certificates[@]}" --threshold "$threshold" >"$work/log"
	check_page
	head -n 1 "$work/log"
	echo "kist $version: signatures and digests are right"
}

# check_page compares the channel's page with one that it writes itself. The page is not
# signed, but it must show this edition, at the address where kist looks for it.
check_page() {
	local copy=$work/documents
	[[ -f $dir/channel/index.html ]] || fail "channel/index.html is missing"
	! grep 'index\.html' "$work/log" || fail "channel/index.html shows another edition"
	mkdir "$copy"
	find "$dir/channel" -mindepth 1 -maxdepth 1 ! -name blobs ! -name index.html -exec cp -r {} "$copy/" \;
	page "$copy"
	cmp "$copy/index.html" "$dir/channel/index.html" || fail "channel/index.html is not what kist writes"
}

# check_signatures verifies everything but how old it is.
check_signatures() {
	local sums=$dir/$version/SHA256SUMS apt=$dir/apt channel=$dir/channel file
	check_signed "$sums.asc" "$sums"
	! command -v sqv >/dev/null || sqv --keyring "$work/keys.gpg" --signatures "$threshold" "$sums.asc" "$sums" >/dev/null || fail "sqv refuses SHA256SUMS"
	check_files
	check_signed "$channel/channel.toml.asc" "$channel/channel.toml"
	[[ -e $apt/InRelease ]] || fail "apt/InRelease is missing: fewer than $threshold release keys have signed it"
	check_signed "$apt/InRelease"
	signed_text "$apt/InRelease" >"$work/InRelease"
	for file in Packages Packages.gz; do
		grep -q "^ $(digest "$apt/$file") .* $file\$" "$work/InRelease" || fail "apt/$file is not the one that InRelease names"
	done
}

# check_signed fails unless enough release keys signed $1, over $2 or clear-signed.
check_signed() {
	(($(count_signers "$@") >= threshold)) || fail "$1: fewer than $threshold release keys have signed it"
}

# check_files compares the files with SHA256SUMS, and the packages of the apt repository
# with its index and with those files.
check_files() {
	local file
	(cd "$dir/$version" && sha256sum --quiet --strict --check SHA256SUMS) || fail "a file of $version is not the one in SHA256SUMS"
	for file in "$dir/$version"/*; do
		[[ $file == */SHA256SUMS* ]] || grep -q " ${file##*/}\$" "$dir/$version/SHA256SUMS" || fail "${file##*/} is not in SHA256SUMS"
	done
	for file in "$dir/apt"/*.deb; do
		grep -qx "SHA256: $(digest "$file")" "$dir/apt/Packages" || fail "${file##*/} is not the one in apt/Packages"
	done
	for file in "$dir/$version"/*.deb; do
		cmp -s "$file" "$dir/apt/${file##*/}" || fail "apt has another ${file##*/}"
	done
}

# rebuild builds the release from this checkout, and compares.
rebuild() {
	local again=$work/again file
	echo "building $version again, to compare"
	"$root/.ci/release" build --keys "$keys" --platforms "$(built_for)" ${previous:+--previous "$previous"} "$version" "$again" >"$work/again.log" ||
		fail "$version could not be built here"
	diff <(cd "$dir/$version" && ls | grep -v '^SHA256SUMS.asc$') <(cd "$again/$version" && ls) || fail "the release has other files"
	for file in "$again/$version"/* "$again"/kist-release.gpg "$again"/apt/*; do
		cmp "$file" "$dir/${file#"$again/"}" || fail "${file##*/} is not what this commit gives: do not sign it"
	done
	check_built "$(contents "$again" "$version")"
	echo "kist $version: built again, the same bytes; its digest is $(contents "$again" "$version")"
}

# check_built fails unless what is to be signed is what a build of the digest $1 made.
check_built() {
	local made released
	check_files
	[[ $(contents "$dir" "$version") == "$1" ]] || fail "the channel or the lists are not what you have built: do not sign them"
	made=$(sed -n 's/^ *"timestamp": "\(.*\)",$/\1/p' "$dir/$version/kist-$version.cdx.json")
	released=$(awk -v v="\"$version\"" '/^version / { here = $3 == v } here && /^released / { print $3 }' "$(manifest "$dir/channel")")
	[[ -z $released || ! $released < $made ]] || fail "the channel says that $version was released before its commit was made: do not sign it"
	[[ ! -e $dir/apt/Release ]] || diff <(undated "$dir/apt/Release") <(apt_release "$dir/apt" - - | undated) || fail "apt/Release is not what you have built: do not sign it"
}

# contents prints the digest of all that the signatures of release $2 in $1 cover, serial
# numbers and dates excepted: two builders can compare it. The dates of earlier releases
# are part of it, since they were signed before.
contents() {
	{
		cat "$1/$2/SHA256SUMS" "$1/kist-release.gpg" "$1/apt/Packages" "$1/apt/Packages.gz"
		undated "$(manifest "$1/channel")" | awk -v v="\"$2\"" '/^version / { here = $3 == v } !(here && /^released /)'
	} | sha256sum | cut -d ' ' -f 1
}

# manifest prints which manifest of the channel $1 gathers signatures, or will.
manifest() {
	local name
	for name in next unsigned draft; do
		[[ ! -e $1/channel.$name.toml ]] || { echo "$1/channel.$name.toml" && return; }
	done
	echo "$1/channel.toml"
}

# undated prints a document without what the first signer adds.
undated() { grep -vE '^(serial|issued|expires) |^(Date|Valid-Until): ' "$@" | cat -s; }

# built_for prints the platforms that the release was built for.
built_for() { (cd "$dir/$version" && ls) | sed -nE "s/^kist-$version-([a-z]+)-([a-z0-9]+)\.(tar\.gz|zip)\$/\1\/\2/p" | paste -sd ' '; }
