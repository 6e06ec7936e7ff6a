# Packs the program as a Debian package and, where rpmbuild is installed, as an RPM.

maintainer='The kist authors <kist-tools@users.noreply.github.com>'
homepage=https://github.com/kist-tools/kist
summary='safe installer and toolchain manager'

# packages makes the packages of architecture $2, in Go's words, in the directory $3.
packages() {
	local version=$1 arch=$2 to=$3 tree=$work/package/$2
	package_tree "$version" "$arch" "$tree"
	deb "$version" "$arch" "$tree" "$to"
	if command -v rpmbuild >/dev/null; then
		rpm_package "$version" "$arch" "$tree" "$to"
	else
		echo "skipped the .rpm for $arch: rpmbuild is not installed"
	fi
}

# package_tree lays out what both kinds of packages install.
package_tree() {
	local version=$1 arch=$2 tree=$3 doc=$3/usr/share/doc/kist
	install -D "$work/bin/linux-$arch/kist" "$tree/usr/bin/kist"
	mkdir -p "$tree/usr/share/man/man1" "$doc"
	cp "$work/doc/man"/*.1 "$tree/usr/share/man/man1/"
	gzip -9n "$tree/usr/share/man/man1"/*
	install -D -m 644 "$work/doc/completions/kist.bash" "$tree/usr/share/bash-completion/completions/kist"
	install -D -m 644 "$work/doc/completions/_kist" "$tree/usr/share/zsh/vendor-completions/_kist"
	install -D -m 644 "$work/doc/completions/kist.fish" "$tree/usr/share/fish/vendor_completions.d/kist.fish"
	cp "$work/doc/README.md" "$doc/"
	gzip -9n <"$work/doc/THIRD-PARTY-LICENSES" >"$doc/THIRD-PARTY-LICENSES.gz"
	cat >"$doc/copyright" <<-COPYRIGHT
		kist $version, from $homepage

		Copyright 2026 the kist authors.
		Licensed under the Apache License 2.0; on Debian its text is in
		/usr/share/common-licenses/Apache-2.0.

		The program contains code of other projects. Their licenses are in
		/usr/share/doc/kist/THIRD-PARTY-LICENSES.gz.
	COPYRIGHT
}

# distribution_version prints version $1 so that dpkg and rpm sort 0.2.0-rc.1 before 0.2.0.
distribution_version() { echo "${1/-/\~}"; }

deb() {
	local version arch=$2 tree=$work/deb/$2 to=$4
	version=$(distribution_version "$1")
	mkdir -p "$work/deb"
	cp -a "$3" "$tree"
	mkdir -p "$tree/DEBIAN" "$tree/usr/share/lintian/overrides"
	printf 'kist (%s) unstable; urgency=medium\n\n  * Release %s. What changed is in CHANGELOG.md:\n    %s/blob/v%s/CHANGELOG.md\n\n -- %s  %s\n' \
		"$version" "$1" "$homepage" "$1" "$maintainer" "$(date -R -d "@$SOURCE_DATE_EPOCH")" |
		gzip -9n >"$tree/usr/share/doc/kist/changelog.gz"
	cat >"$tree/usr/share/lintian/overrides/kist" <<-OVERRIDES
		# One static program: what verifies other programs depends on no library that they could replace.
		kist: statically-linked-binary [usr/bin/kist]
		# kist self update reads which package owns the program, and runs nothing to find out.
		kist: uses-dpkg-database-directly [usr/bin/kist]
	OVERRIDES
	cat >"$tree/DEBIAN/control" <<-CONTROL
		Package: kist
		Version: $version
		Architecture: $arch
		Maintainer: $maintainer
		Installed-Size: $(find "$tree/usr" -type f -printf '%s\n' | awk '{ kib += int(($1 + 1023) / 1024) } END { print kib }')
		Recommends: ca-certificates
		Section: devel
		Priority: optional
		Homepage: $homepage
		Description: $summary
		 kist installs compilers and their tools from signed channels, without piping
		 a script into a shell. It checks who signed a release before it unpacks it,
		 puts everything into directories of your own, keeps a receipt of every path
		 it writes, and removes exactly those paths. It never runs what it installs.
	CONTROL
	(cd "$tree" && find usr -type f | sort | xargs md5sum >DEBIAN/md5sums)
	settle "$tree"
	# One thread: with more, where xz ends a block depends on how many there are.
	dpkg-deb --root-owner-group --threads-max=1 -Zxz --build "$tree" "$to/kist_${version}_$arch.deb" >/dev/null
}

rpm_package() {
	local version arch=$2 tree=$3 to=$4 target top=$work/rpm/$2
	version=$(distribution_version "$1")
	case $arch in
	amd64) target=x86_64 ;;
	arm64) target=aarch64 ;;
	*) target=$arch ;;
	esac
	mkdir -p "$top"
	# Fedora's shells look for completions elsewhere than Debian's.
	cp -a "$tree" "$top/tree"
	mv "$top/tree/usr/share/zsh/vendor-completions" "$top/tree/usr/share/zsh/site-functions"
	mkdir -p "$top/tree/usr/share/licenses/kist"
	rm "$top/tree/usr/share/doc/kist/copyright"
	mv "$top/tree/usr/share/doc/kist/THIRD-PARTY-LICENSES.gz" "$top/tree/usr/share/licenses/kist/"
	cp "$work/doc/LICENSE" "$top/tree/usr/share/licenses/kist/"
	settle "$top/tree"
	cat >"$top/kist.spec" <<-SPEC
		Name: kist
		Version: $version
		Release: 1
		Summary: ${summary^}
		License: Apache-2.0
		URL: $homepage
		AutoReqProv: no
		Recommends: ca-certificates

		%description
		kist installs compilers and their tools from signed channels, without piping
		a script into a shell. It checks who signed a release before it unpacks it,
		puts everything into directories of your own, keeps a receipt of every path
		it writes, and removes exactly those paths. It never runs what it installs.

		%install
		cp -a $top/tree/. %{buildroot}/

		%files
		%license /usr/share/licenses/kist
		%doc /usr/share/doc/kist
		/usr/bin/kist
		/usr/share/man/man1/*
		/usr/share/bash-completion/completions/kist
		/usr/share/zsh/site-functions/_kist
		/usr/share/fish/vendor_completions.d/kist.fish
	SPEC
	rpmbuild --quiet -bb --target "$target-linux" \
		--define "_topdir $top" --define "_rpmdir $top/out" --define "_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm" \
		--define '_buildhost reproducible.invalid' --define 'use_source_date_epoch_as_buildtime 1' --define 'clamp_mtime_to_source_date_epoch 1' \
		--define '_binary_payload w9.gzdio' --define '__os_install_post %{nil}' --define 'debug_package %{nil}' --define '_build_id_links none' \
		"$top/kist.spec" >"$top/log" 2>&1 || { cat "$top/log" && fail "rpmbuild for $arch"; }
	cp "$top/out"/*.rpm "$to/"
}
