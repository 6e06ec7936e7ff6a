package rust

import "github.com/kist-tools/kist/manifests"

// A hostTriple is a platform with its name in Rust.
type hostTriple struct {
	manifests.Platform
	triple string
}

// platforms returns the hosts that kist runs on and Rust is built for. Source:
// doc.rust-lang.org/rustc/platform-support, host tools of tier 1 and 2.
func platforms() []hostTriple {
	on := func(os, arch, libc, triple string) hostTriple {
		return hostTriple{manifests.Platform{OS: os, Arch: arch, Libc: libc}, triple}
	}
	return []hostTriple{
		on("linux", "amd64", "gnu", "x86_64-unknown-linux-gnu"),
		on("linux", "amd64", "musl", "x86_64-unknown-linux-musl"),
		on("linux", "arm64", "gnu", "aarch64-unknown-linux-gnu"),
		on("linux", "arm64", "musl", "aarch64-unknown-linux-musl"),
		on("linux", "386", "gnu", "i686-unknown-linux-gnu"),
		on("linux", "arm", "gnu", "armv7-unknown-linux-gnueabihf"),
		on("linux", "loong64", "gnu", "loongarch64-unknown-linux-gnu"),
		on("linux", "loong64", "musl", "loongarch64-unknown-linux-musl"),
		on("linux", "ppc64", "gnu", "powerpc64-unknown-linux-gnu"),
		on("linux", "ppc64le", "gnu", "powerpc64le-unknown-linux-gnu"),
		on("linux", "ppc64le", "musl", "powerpc64le-unknown-linux-musl"),
		on("linux", "riscv64", "gnu", "riscv64gc-unknown-linux-gnu"),
		on("linux", "s390x", "gnu", "s390x-unknown-linux-gnu"),
		on("darwin", "amd64", "", "x86_64-apple-darwin"),
		on("darwin", "arm64", "", "aarch64-apple-darwin"),
		on("freebsd", "amd64", "", "x86_64-unknown-freebsd"),
		on("illumos", "amd64", "", "x86_64-unknown-illumos"),
		on("netbsd", "amd64", "", "x86_64-unknown-netbsd"),
		on("solaris", "amd64", "", "x86_64-pc-solaris"),
		on("windows", "386", "", "i686-pc-windows-msvc"),
		on("windows", "amd64", "", "x86_64-pc-windows-msvc"),
		on("windows", "arm64", "", "aarch64-pc-windows-msvc"),
	}
}

// triple returns Rust's name of a host, or "". A Linux host with an unknown C library
// counts as glibc.
func triple(host manifests.Platform) string {
	if host.OS == "linux" && host.Libc == "" {
		host.Libc = "gnu"
	}
	for _, p := range platforms() {
		if p.Platform.Fit(host) >= 2 {
			return p.triple
		}
	}
	return ""
}
