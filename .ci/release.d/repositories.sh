# Makes kist's own channel and the apt repository. Neither has a date before it is
# signed: until then, every builder gets the same bytes.

# repositories adds release $1, whose files are in $2/$1, to the repositories in $2.
repositories() {
	local version=$1 dir=$2 kist label=() platform program
	kist=$(host_program)
	cat "$keys"/*.asc | gpg_alone --import 2>/dev/null
	gpg_alone --export >"$dir/kist-release.gpg"
	[[ $version == *-* ]] || label=(--label stable)
	[[ -e $dir/channel ]] || "$kist" publish init "$dir/channel" --channel kist >/dev/null
	"$kist" publish add "$dir/channel" "$dir/$version"/*.tar.gz $(compgen -G "$dir/$version/*.zip") --tool kist --version "$version" "${label[@]}" >/dev/null
	# The programs alone, for kist self update and kist version --verify. Their names are not
	# those of files in the archives: a release is one tree.
	mkdir -p "$work/programs"
	for platform in $platforms; do
		program=$work/programs/kist-$version-${platform/\//-}
		cp "$work/bin/${platform/\//-}"/kist* "$program"
		"$kist" publish add "$dir/channel" "$program" --tool kist --version "$version" "${label[@]}" \
			--platform "$platform" --component program --format file >/dev/null
	done

	mkdir -p "$dir/apt"
	rm -f "$dir/apt"/{InRelease,Release,Release.asc}
	ln "$dir/$version"/*.deb "$dir/apt/"
	(cd "$dir/apt" && for deb in ./*.deb; do apt-ftparchive -o APT::FTPArchive::MD5=false -o APT::FTPArchive::SHA1=false packages "$deb"; done) >"$work/Packages"
	gzip -9nk "$work/Packages"
	cp "$work"/Packages{,.gz} "$dir/apt/"
}

# apt_release prints the Release file of the apt repository $1: issued at the time $2,
# fresh until the time $3, each as date -R prints it.
apt_release() {
	(
		cd "$1"
		apt-ftparchive -o APT::FTPArchive::MD5=false -o APT::FTPArchive::SHA1=false \
			-o APT::FTPArchive::Release::Origin=kist -o APT::FTPArchive::Release::Label=kist \
			-o APT::FTPArchive::Release::Architectures="$(sed -n 's/^Architecture: //p' Packages | sort -u | paste -sd ' ')" \
			-o APT::FTPArchive::Release::Date="$2" \
			-o APT::FTPArchive::Release::Default-Patterns=false -o APT::FTPArchive::Release::Patterns::='Packages*' release . |
			sed "/^Date: /a Valid-Until: $3"
	)
}
