# Signs a release, m of n, on as many machines as there are signers. Four documents are
# signed: SHA256SUMS, the manifest and the keys of the channel, and apt's Release file.

apt_days=90 # how long apt accepts a Release file; as long as kist a manifest

# gpg_alone is gpg with a home of its own, where nothing of the caller's counts.
gpg_alone() {
	[[ -d $work/gpg ]] || mkdir -m 700 "$work/gpg"
	gpg --homedir "$work/gpg" --batch --quiet --no-autostart "$@"
}

# kist runs the kist of this checkout.
kist() {
	[[ -e $work/kist ]] || (cd "$root" && go build -trimpath -buildvcs=false -o "$work/kist" ./cmd/kist) || fail "kist cannot be built"
	"$work/kist" "$@"
}

# sign signs with the secret keys in the files $1…, once this machine has built the same.
sign() {
	local key out=$work/out home=$work/signer document
	for key in "$@"; do
		[[ -f $key ]] || fail "no secret key $key"
	done
	if [[ -z $built ]]; then
		rebuild
	else
		check_built "$built"
	fi
	for key in "$@"; do
		rm -rf "$home" "$out"
		mkdir -m 700 "$home"
		gpg --homedir "$home" --batch --quiet --import "$key" 2>/dev/null || fail "$key is no secret key"
		to_sign "$out" >/dev/null
		for document in "$out"/{SHA256SUMS,channel.toml,keys.toml}; do
			[[ ! -e $document ]] || gpg --homedir "$home" --batch --quiet --digest-algo SHA512 --armor --detach-sign "$document"
		done
		[[ ! -e $out/Release ]] || gpg --homedir "$home" --batch --quiet --digest-algo SHA512 --clearsign "$out/Release"
		gpgconf --homedir "$home" --kill all
		attach "$out"
	done
}

# to_sign writes what is to be signed to the directory $1. The first signer fixes the
# dates; the others sign the same bytes.
to_sign() {
	local out=$1 channel=$dir/channel key certificates=()
	mkdir -p "$out"
	for key in "$keys"/*.asc; do
		certificates+=(--key "$key")
	done
	[[ -e $channel/keys.toml || -e $channel/keys.next.toml ]] ||
		kist publish keys "$channel" "${certificates[@]}" --threshold "$threshold" --unsigned-out "$work/keys.toml" >/dev/null
	[[ ! -e $channel/channel.draft.toml || -e $channel/channel.unsigned.toml ]] ||
		kist publish sign "$channel" --unsigned-out "$work/channel.toml" >/dev/null
	if [[ ! -e $dir/apt/Release ]]; then
		apt_release "$dir/apt" "$(date -R)" "$(date -R -d "$apt_days days")" >"$work/Release"
		cp "$work/Release" "$dir/apt/Release"
	fi

	cp "$dir/$version/SHA256SUMS" "$dir/apt/Release" "$out/"
	cp "$(manifest "$channel")" "$out/channel.toml"
	if [[ -e $channel/keys.next.toml ]]; then
		check_keys_document
		cp "$channel/keys.next.toml" "$out/keys.toml"
	fi
	echo "in $out:"
	echo '  for f in SHA256SUMS *.toml; do gpg --digest-algo SHA512 --armor --detach-sign "$f"; done'
	echo '  gpg --digest-algo SHA512 --clearsign Release'
}

# renew begins the next serial of the channel and another Release file for apt, with the
# same contents. Users get those before until enough have signed.
renew() {
	rm -f "$dir/apt"/{Release,Release.asc}
	kist publish sign "$dir/channel" --unsigned-out "$work/channel.toml" >/dev/null
	echo "kist $version: to be signed again"
}

# check_keys_document fails unless the keys that the channel is to have from now on are the
# release keys. They may come with keys that are revoked.
check_keys_document() {
	local blank=$work/blank
	if [[ ! -e $blank ]]; then
		kist publish init "$blank" --channel kist >/dev/null
		kist publish keys "$blank" "${certificates[@]}" --threshold "$threshold" --unsigned-out "$work/keys.toml" >/dev/null
	fi
	diff <(undated "$dir/channel/keys.next.toml" | grep -vE '^(version|revoked) ') <(undated "$blank/keys.next.toml" | grep -vE '^(version|revoked) ') ||
		fail "channel/keys.next.toml does not have the release keys: do not sign it"
}

# attach adds the signatures in $1 to the release. A signature that is there already
# changes nothing, so that an interrupted order can be given again.
attach() {
	local out=$1 channel=$dir/channel key certificates=()
	for key in "$keys"/*.asc; do
		certificates+=(--key "$key")
	done
	release_keyring
	attach_detached "$dir/$version/SHA256SUMS" "$out/SHA256SUMS.asc"
	attach_clearsigned "$dir/apt" "$out/Release.asc"
	[[ ! -e $out/keys.toml.asc || ! -e $channel/keys.next.toml ]] || kist publish keys "$channel" --attach "$out/keys.toml.asc" >/dev/null
	kist publish sign "$channel" --attach "$out/channel.toml.asc" "${certificates[@]}" >/dev/null
	write_page
	echo "SHA256SUMS is signed by $(count_signers "$dir/$version/SHA256SUMS.asc" "$dir/$version/SHA256SUMS") of $threshold:"
	signers "$dir/$version/SHA256SUMS.asc" "$dir/$version/SHA256SUMS" | sed 's/^/  /'
}

# write_page writes the channel's page for people, once its manifest and its keys are
# published. Until then the page is that of the edition before, if there is one.
write_page() {
	local channel=$dir/channel
	[[ $(manifest "$channel") != "$channel/channel.toml" || -e $channel/keys.next.toml ]] || page "$channel"
}

# page writes the page of the documents in $1, with the address of kist's own channel.
page() {
	local url
	url=$(own_url)
	kist publish page "$1" --url "${url%channel.toml}" "${certificates[@]}" --threshold "$threshold" >/dev/null
}

# own_url prints where kist looks for its own channel, as its source says.
own_url() {
	sed -n 's|^\tOwnURL = "\(https://.*/channel\.toml\)"$|\1|p' "$root/manifests/upstreams/own.go" | grep . ||
		fail "manifests/upstreams/own.go does not say where the channel is"
}

# release_keyring makes work/keys.gpg of the release keys.
release_keyring() {
	[[ -e $work/keys.gpg ]] || { cat "$keys"/*.asc | gpg_alone --import 2>/dev/null && gpg_alone --export >"$work/keys.gpg"; }
}

# signers prints the fingerprints of the release keys that signed: $1 is the signature and
# $2 the file, or $1 a clear-signed file. One bad signature is too many.
signers() {
	local status
	status=$(gpgv --keyring "$work/keys.gpg" --status-fd 1 "$@" 2>/dev/null) || true
	[[ $status != *BADSIG* ]] || fail "$1 has a bad signature"
	awk '$2 == "VALIDSIG" { print $NF }' <<<"$status" | sort -u
}

count_signers() { signers "$@" | wc -l; }

# attach_detached adds the signature $2 to the signatures of the file $1.
attach_detached() {
	local file=$1 new=$2
	[[ $(count_signers "$new" "$file") == 1 ]] || fail "$new is no signature of one release key over $file"
	[[ -e $file.asc ]] || : >"$work/merged"
	[[ ! -e $file.asc ]] || gpg_alone --dearmor <"$file.asc" >"$work/merged"
	if [[ -s $work/merged ]] && signers "$file.asc" "$file" | grep -qF "$(signers "$new" "$file")"; then
		return
	fi
	gpg_alone --dearmor <"$new" >>"$work/merged"
	armor_signatures <"$work/merged" >"$work/merged.asc"
	cp "$work/merged.asc" "$file.asc.new" && mv "$file.asc.new" "$file.asc"
}

# attach_clearsigned adds the signature of $2, a clear-signed Release, to those in
# $1/Release.asc. That becomes InRelease, which apt reads, once enough have signed: apt
# itself is content with one.
attach_clearsigned() {
	local apt=$1 new=$2 file=$1/Release.asc
	[[ $(count_signers "$new") == 1 ]] || fail "$new is not clear-signed by one release key"
	diff <(signed_text "$new") "$apt/Release" >/dev/null || fail "$new is another text than $apt/Release"
	if [[ ! -e $file ]]; then
		cp "$new" "$file"
	elif ! signers "$file" | grep -qF "$(signers "$new")"; then
		cmp -s <(sed '/^-----BEGIN PGP SIGNATURE/,$d' "$file") <(sed '/^-----BEGIN PGP SIGNATURE/,$d' "$new") || fail "$new was not made with --digest-algo SHA512"
		{
			sed '/^-----BEGIN PGP SIGNATURE/,$d' "$file"
			for each in "$file" "$new"; do
				sed -n '/^-----BEGIN PGP SIGNATURE/,$p' "$each" | gpg_alone --dearmor
			done | armor_signatures
		} >"$work/Release.asc"
		cp "$work/Release.asc" "$file.new" && mv "$file.new" "$file"
	fi
	(($(count_signers "$file") < threshold)) || { cp "$file" "$apt/InRelease.new" && mv "$apt/InRelease.new" "$apt/InRelease"; }
}

# signed_text prints the text of the clear-signed file $1.
signed_text() { gpgv --keyring "$work/keys.gpg" --output - "$1" 2>/dev/null; }

armor_signatures() { gpg_alone --enarmor | sed -e 's/PGP ARMORED FILE/PGP SIGNATURE/' -e '/^Comment:/d'; }
