package manifesttest

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/verify/verifytest"
)

// SignedFiles returns the tools that Signed supports.
func SignedFiles() []string {
	return []string{"go", "gradle", "helm", "java", "julia", "llvm", "maven", "swift"}
}

// Signed returns the files, by path below its base, of an imitation of an upstream that
// signs each of its files: the index, newest version first, and for each World the
// archives and signatures, in the upstream's own layout. The programs in the archives
// are scripts that print the version.
func Signed(tb testing.TB, tool string, worlds ...World) map[string][]byte {
	tb.Helper()
	s := &site{tb: tb, files: map[string][]byte{}, worlds: worlds}
	each := func(publish func(v string)) {
		for _, s.world = range worlds {
			publish(s.world.Version)
		}
	}
	switch tool {
	case "go":
		s.files["index.json"] = s.list("[%s]", `{"version":"go%[1]s","stable":true,"files":[
			{"filename":"go%[1]s.linux-amd64.tar.gz","os":"linux","arch":"amd64","kind":"archive"},
			{"filename":"go%[1]s.linux-arm64.tar.gz","os":"linux","arch":"arm64","kind":"archive"}]}`)
		each(s.golang)
	case "gradle":
		s.files["versions/all"] = s.list("[%s]", `{"version":"%[1]s","buildTime":"%[3]s","current":false,"snapshot":false,"nightly":false,
			"releaseNightly":false,"activeRc":false,"rcFor":"","milestoneFor":"","broken":false,
			"downloadUrl":"https://services.gradle.org/distributions/gradle-%[1]s-bin.zip"}`)
		each(s.gradle)
	case "helm":
		s.files["helm/helm/releases.atom"] = feed("helm/helm", "v", worlds)
		each(s.helm)
	case "java":
		s.files["v3/info/release_versions"] = s.list(`{"versions":[%s]}`, `{"build":1,"major":1,"minor":0,"openjdk_version":"%[1]s-LTS","optional":"LTS","security":0,"semver":"%[1]s.0.LTS"}`)
		each(s.java)
	case "julia":
		s.files["versions.json"] = s.list("{%s}", `"%[1]s":{"stable":true,"files":[
			{"url":"x","triplet":"x86_64-linux-gnu","kind":"archive","arch":"x86_64","version":"%[1]s","os":"linux","extension":"tar.gz"},
			{"url":"x","triplet":"aarch64-linux-gnu","kind":"archive","arch":"aarch64","version":"%[1]s","os":"linux","extension":"tar.gz"},
			{"url":"x","triplet":"x86_64-w64-mingw32","kind":"installer","arch":"x86_64","version":"%[1]s","os":"winnt","extension":"exe"}]}`)
		each(s.julia)
	case "llvm":
		s.files["releases.atom"] = feed("llvm/llvm-project", "llvmorg-", worlds)
		each(s.llvm)
	case "maven":
		s.files["maven2/org/apache/maven/apache-maven/maven-metadata.xml"] = append([]byte("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"),
			s.list("<metadata><groupId>org.apache.maven</groupId><versioning><versions>%s</versions></versioning></metadata>", "<version>%[1]s</version>")...)
		each(s.maven)
	case "swift":
		s.files["api/v1/install/releases.json"] = s.list("[%s]", `{"name":"%[1]s","tag":"swift-%[1]s-RELEASE","xcode":"Xcode 16","date":"%[2]s",
			"platforms":[{"name":"Debian 12","platform":"Linux","docker":"bookworm","archs":["x86_64","aarch64"]}]}`)
		each(s.swift)
	default:
		tb.Fatalf("the layout of %s is unknown", tool)
	}
	return s.files
}

// A site collects the files of an upstream.
type site struct {
	tb     testing.TB
	files  map[string][]byte
	worlds []World
	world  World
}

// list returns an index with one entry per version. The entry is a format of the version,
// its date and its time; outer is a format of all entries.
func (s *site) list(outer, entry string) []byte {
	var entries []string
	for _, w := range s.worlds {
		text := strings.NewReplacer("%[1]s", w.Version, "%[2]s", w.Issued.Format(time.DateOnly),
			"%[3]s", w.Issued.UTC().Format("20060102150405-0700")).Replace(entry)
		entries = append(entries, text)
	}
	separator := ",\n"
	if strings.HasPrefix(entry, "<") {
		separator = "\n"
	}
	return []byte(fmt.Sprintf(outer, strings.Join(entries, separator)))
}

// add publishes a file and its armored signature.
func (s *site) add(path string, data []byte) { s.addSigned(path, path+".asc", data, verifytest.Cosign) }

// A signFunc signs data at a time with keys.
type signFunc func(testing.TB, []byte, time.Time, ...*verifytest.Key) []byte

func (s *site) addSigned(path, signature string, data []byte, sign signFunc) {
	s.files[path] = data
	if len(s.world.Signers) > 0 {
		s.files[signature] = sign(s.tb, data, s.world.Signed, s.world.Signers...)
	}
}

func (s *site) golang(v string) {
	for _, platform := range []string{"linux-amd64", "linux-arm64"} {
		s.add("go"+v+"."+platform+".tar.gz", tarball(s.tb, member{"go/VERSION", "go" + v + "\ntime 2026-01-01T00:00:00Z\n", 0o644},
			member{"go/bin/go", printScript("go version go" + v + " " + platform), 0o755}, member{"go/bin/gofmt", printScript("gofmt"), 0o755}))
	}
}

func (s *site) gradle(v string) {
	top := "gradle-" + v + "/"
	s.add("distributions/gradle-"+v+"-bin.zip", zipped(s.tb,
		member{top + "bin/gradle", printScript("Gradle "+v) + "CLASSPATH=$APP_HOME/lib/gradle-gradle-cli-main-" + v + ".jar\n", 0o755},
		member{top + "lib/gradle-gradle-cli-main-" + v + ".jar", "a jar", 0o644}))
}

func (s *site) helm(v string) {
	for _, platform := range []string{"linux-amd64", "linux-arm64", "darwin-arm64"} {
		name := "helm-v" + v + "-" + platform + ".tar.gz"
		data := tarball(s.tb, member{platform + "/LICENSE", "Apache\n", 0o644},
			member{platform + "/helm", printScript("v"+v) + platform + "\x00v" + v + "\x00", 0o755})
		s.addSigned(name, "helm/helm/releases/download/v"+v+"/"+name+".asc", data, verifytest.Cosign)
	}
}

func (s *site) java(v string) {
	numbers, _, _ := strings.Cut(v, "+")
	major, _, _ := strings.Cut(numbers, ".")
	release := func(os string) string {
		return fmt.Sprintf("IMPLEMENTOR=\"Eclipse Adoptium\"\nIMPLEMENTOR_VERSION=\"Temurin-%s\"\nJAVA_RUNTIME_VERSION=\"%[1]s-LTS\"\nJAVA_VERSION=\"%s\"\nOS_NAME=\"%s\"\n",
			v, numbers, os)
	}
	for platform, home := range map[string]string{"x64_linux": "", "aarch64_linux": "", "aarch64_mac": "Contents/Home/"} {
		top := "jdk-" + v + "/" + home
		members := []member{{top + "bin/java", "#!/bin/sh\necho openjdk " + v + " at \"$JAVA_HOME\"\nexit\n", 0o755},
			{top + "bin/javac", printScript("javac " + numbers), 0o755}, {top + "lib/modules", platform, 0o644}, {top + "release", release(platform), 0o644}}
		if home != "" {
			members = append(members, member{"jdk-" + v + "/Contents/Info.plist", "<plist/>\n", 0o644})
		}
		name := "OpenJDK" + major + "U-jdk_" + platform + "_hotspot_" + strings.ReplaceAll(v, "+", "_") + ".tar.gz"
		path := "temurin" + major + "-binaries/releases/download/jdk-" + v + "/" + name
		s.addSigned(path, path+".sig", tarball(s.tb, members...), verifytest.Cosign)
	}
}

func (s *site) julia(v string) {
	series := v[:strings.LastIndex(v, ".")]
	for dir, name := range map[string]string{"linux/x64": "linux-x86_64", "linux/aarch64": "linux-aarch64"} {
		top := "julia-" + v + "/"
		s.add(dir+"/"+series+"/julia-"+v+"-"+name+".tar.gz", tarball(s.tb,
			member{top + "bin/julia", printScript("julia version " + v), 0o755},
			member{top + "include/julia/julia_version.h", "#define JULIA_VERSION_STRING \"" + v + "\"\n#define JULIA_VERSION_MAJOR 1\n", 0o644},
			member{top + "lib/libjulia.so", name, 0o644}))
	}
}

func (s *site) llvm(v string) {
	for _, platform := range []string{"Linux-X64", "Linux-ARM64"} {
		top := "LLVM-" + v + "-" + platform
		path := "releases/download/llvmorg-" + v + "/" + top + ".tar.xz"
		data := xz(tree(s.tb, member{top + "/bin/clang", printScript("clang version " + v), 0o755},
			member{top + "/lib/cmake/llvm/LLVMConfigVersion.cmake", "set(PACKAGE_VERSION \"" + v + "\")\n# " + platform + "\n", 0o644}))
		s.addSigned(path, path+".sig", data, verifytest.SignBinary)
	}
}

func (s *site) maven(v string) {
	major, _, _ := strings.Cut(v, ".")
	top := "apache-maven-" + v + "/"
	s.add("maven-"+major+"/"+v+"/binaries/apache-maven-"+v+"-bin.tar.gz", tarball(s.tb,
		member{top + "bin/mvn", printScript("Apache Maven " + v), 0o755},
		member{top + "lib/maven-core-" + v + ".jar", "PK\x03\x04META-INF/maven/org.apache.maven/maven-core/pom.properties", 0o644}))
}

func (s *site) swift(v string) {
	for _, build := range []string{"ubi9", "ubi9-aarch64", "debian12", "ubuntu2404"} {
		platform := strings.ReplaceAll(build, "2404", "24.04")
		top := "swift-" + v + "-RELEASE-" + platform
		path := "swift-" + v + "-release/" + build + "/swift-" + v + "-RELEASE/" + top + ".tar.gz"
		data := tarball(s.tb, member{top + "/usr/bin/swift", "swift-frontend", fs.ModeSymlink}, member{top + "/usr/bin/swiftc", printScript("swiftc " + build), 0o755},
			member{top + "/usr/bin/swift-frontend", printScript("Swift version "+v) + "Swift version " + v + " (swift-" + v + "-RELEASE)\x00", 0o755})
		s.addSigned(path, path+".sig", data, verifytest.SignBinary)
	}
}

// xz returns data in the .xz format, in one block of uncompressed LZMA2 chunks, with a
// CRC-32. Source: The .xz File Format, sections 2 and 3.
func xz(data []byte) []byte {
	le := binary.LittleEndian
	flags := []byte{0, 1}
	out := append([]byte("\xfd7zXZ\x00"), flags...)
	out = le.AppendUint32(out, crc32.ChecksumIEEE(flags))
	start := len(out)
	head := []byte{2, 0, 0x21, 1, 8, 0, 0, 0} // twelve bytes; LZMA2 with a dictionary of 64 KiB
	out = append(out, head...)
	out = le.AppendUint32(out, crc32.ChecksumIEEE(head))
	for chunk := range slices.Chunk(data, 1<<16) {
		out = append(out, 1, byte((len(chunk)-1)>>8), byte(len(chunk)-1))
		out = append(out, chunk...)
	}
	out = append(out, 0)
	unpadded := len(out) - start + 4
	for (len(out)-start)%4 != 0 {
		out = append(out, 0)
	}
	out = le.AppendUint32(out, crc32.ChecksumIEEE(data))
	index := binary.AppendUvarint(binary.AppendUvarint([]byte{0, 1}, uint64(unpadded)), uint64(len(data)))
	for len(index)%4 != 0 {
		index = append(index, 0)
	}
	index = le.AppendUint32(index, crc32.ChecksumIEEE(index))
	out = append(out, index...)
	tail := append(le.AppendUint32(nil, uint32(len(index)/4-1)), flags...)
	out = le.AppendUint32(out, crc32.ChecksumIEEE(tail))
	return append(append(out, tail...), "YZ"...)
}

// Example returns the files, by ref, of the fictional upstream of
// docs/adding-an-upstream.md.
func Example(tb testing.TB, base string, w World) map[string][]byte {
	tb.Helper()
	s := &site{tb: tb, files: map[string][]byte{}, world: w}
	s.files[base+"releases.atom"] = feed("zag-lang/zag", "v", []World{w})
	for _, platform := range []string{"x64-linux", "arm64-mac"} {
		top := "zag-" + w.Version + "-" + platform
		s.add(base+"releases/download/v"+w.Version+"/"+top+".tar.gz", tarball(tb,
			member{top + "/bin/zag", printScript("zag " + w.Version), 0o755}, member{top + "/share/zag/version", w.Version + "\n", 0o644}))
	}
	return s.files
}
