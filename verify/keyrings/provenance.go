package keyrings

import (
	"slices"
	"strings"

	"github.com/kist-tools/kist/verify"
)

// copiedFrom says where each upstream's keys were copied from, as the tables of the
// READMEs state: by upstream if all its keys are from one place, or else by key. {key}
// stands for the fingerprint.
var copiedFrom = map[string]string{
	"adoptium": "github:actions/setup-java src/distributions/temurin/adoptium-key.ts @1dbac3c9e137",
	"bun":      "TRUSTED_KEY constant in a third-party bun verifier script",
	"cmake":    "github:sourceryinstitute/CentOS-dev-env scripts/0x{key}.gpg.pub.asc @f349bd9b5222",
	"04B54C3CDCA79751B16BC6B5225629DF75B188BD": "Debian binary package debian-archive-keyring 2025.1 all /usr/share/keyrings/debian-archive-trixie-automatic.pgp",
	"05AB90340C0C5E797F44A8C8254CF3B5AEC0A8F0": "Debian binary package debian-archive-keyring 2025.1 all /usr/share/keyrings/debian-archive-bookworm-security-automatic.pgp",
	"1F89983E0081FDE018F3CC9673A4F27B8DD47936": "Debian binary package debian-archive-keyring 2025.1 all /usr/share/keyrings/debian-archive-bullseye-automatic.pgp",
	"41587F7DB8C774BCCF131416762F67A0B2C39DE4": "Debian binary package debian-archive-keyring 2025.1 all /usr/share/keyrings/debian-archive-trixie-stable.pgp",
	"4D64FEC119C2029067D6E791F8D2585B8783D481": "Debian binary package debian-archive-keyring 2025.1 all /usr/share/keyrings/debian-archive-bookworm-stable.pgp",
	"5E04A1E3223A19A20706E20F9904613D4CCE68C6": "Debian binary package debian-archive-keyring 2025.1 all /usr/share/keyrings/debian-archive-trixie-security-automatic.pgp",
	"A4285295FC7B1A81600062A9605C66F00D6C9793": "Debian binary package debian-archive-keyring 2025.1 all /usr/share/keyrings/debian-archive-bullseye-stable.pgp",
	"AC530D520F2F3269F5E98313A48449044AAD5C5D": "Debian binary package debian-archive-keyring 2025.1 all /usr/share/keyrings/debian-archive-bullseye-security-automatic.pgp",
	"B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8": "Debian binary package debian-archive-keyring 2025.1 all /usr/share/keyrings/debian-archive-bookworm-automatic.pgp",
	"golang": "Debian source package golang-1.24 1.24.4-1 debian/upstream/signing-key.asc / github:rpm-software-management/distribution-gpg-keys keys/google/linux_signing_key.pub @65c3eae56c18",
	"1BD97A6A154E7810EE0BC832E2F38302C8075E3D": "gradle/gradle KEYS.md, its block of the previous key with the revocation (encryption subkey not copied)",
	"EA96F38569C044AAEF7FCF732887F479B0B9771A": "gradle/gradle KEYS.md, a newer version than the one compared",
	"hashicorp": "github:hashicorp/hc-install internal/pubkey/pubkey.go @e1c44a506777",
	"helm":      "github:helm/helm KEYS @e9b85e4de16a",
	"julia":     "github:JuliaLang/www.julialang.org _assets/juliareleases.asc @c36dbaba93ab / github:JuliaLang/www.julialang.org _assets/juliareleases.asc @23da262a68f5 / github:JuliaLang/www.julialang.org _assets/juliareleases.asc @05d7549b9c9e / github:JuliaLang/www.julia...",
	"kist":      "made for this repository; a placeholder whose secret half was never stored",
	"nodejs":    "github:nodejs/release-keys keys/{key}.asc @b28073028e6d",
	"rust":      "github:rust-lang/rustup src/rust-key.pgp.ascii @97471024f46d",
	"52BB7E3DE28A71BE22EC05FFEF80A866B47A981F": "github:swiftlang/swift-org-website keys/release-key-swift-6.x.asc @cc9c66d57a40",
	"A62AE125BBBFBB96A6E042EC925CC1CCED3D1561": "github:swiftlang/swift-org-website keys/release-key-swift-5.x.asc @cc9c66d57a40",
	"E813C892820A6FA13755B268F167DF1ACF9CE069": "github:swiftlang/swift-org-website keys/automatic-signing-key-4.asc @cc9c66d57a40",
	"ubuntu": "Debian binary package ubuntu-keyring 2023.11.28.1-0.2 all /usr/share/keyrings/ubuntu-archive-keyring.gpg",
}

// Source returns where the built-in copy of a key was copied from, or "" for a key that
// is not built in.
func Source(upstream string, primary verify.Fingerprint) string {
	if !slices.ContainsFunc(pins[upstream], func(p verify.Pin) bool { return p.Primary == primary }) {
		return ""
	}
	if from, ok := copiedFrom[string(primary)]; ok {
		return from
	}
	return strings.ReplaceAll(copiedFrom[upstream], "{key}", string(primary))
}
