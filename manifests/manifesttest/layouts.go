package manifesttest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/verify/verifytest"
)

// Publish returns the files, by path below its base, of an imitation of the upstream of
// a tool whose files are signed: the index, newest version first, and for each World its
// archives and its list and signatures, in the upstream's own layout. The programs in
// the archives are scripts that print the version. World.Name is the LTS code name of
// Node.js. A tool without a layout of its own has HashiCorp's.
func Publish(tb testing.TB, tool string, worlds ...World) map[string][]byte {
	tb.Helper()
	s := &site{tb: tb, tool: tool, files: map[string][]byte{}, worlds: worlds}
	publish := s.hashicorp
	switch tool {
	case "bun":
		s.files["releases.atom"] = feed("oven-sh/bun", "bun-v", worlds)
		publish = s.bun
	case "cmake":
		s.files["releases.atom"] = feed("Kitware/CMake", "v", worlds)
		publish = s.cmake
	case "node":
		s.files["index.json"] = s.index("[\n%s\n]\n", `{"version":"v%[1]s","date":"%[2]s","files":["headers","linux-arm64","linux-x64","osx-arm64-tar","src","win-x64-msi","win-x64-zip"],
			"npm":"10.9.0","lts":%[4]s,"security":false}`)
		publish = s.node
	case "go":
		s.files["index.json"] = s.index("[%s]", `{"version":"go%[1]s","stable":true,"files":[
			{"filename":"go%[1]s.linux-amd64.tar.gz","os":"linux","arch":"amd64","kind":"archive"},
			{"filename":"go%[1]s.linux-arm64.tar.gz","os":"linux","arch":"arm64","kind":"archive"}]}`)
		publish = s.golang
	case "gradle":
		s.files["versions/all"] = s.index("[%s]", `{"version":"%[1]s","buildTime":"%[3]s","current":false,"snapshot":false,"nightly":false,
			"releaseNightly":false,"activeRc":false,"rcFor":"","milestoneFor":"","broken":false,
			"downloadUrl":"https://services.gradle.org/distributions/gradle-%[1]s-bin.zip"}`)
		publish = s.gradle
	case "helm":
		s.files["helm/helm/releases.atom"] = feed("helm/helm", "v", worlds)
		publish = s.helm
	case "java":
		s.files["v3/info/release_versions"] = s.index(`{"versions":[%s]}`, `{"build":1,"major":1,"minor":0,"openjdk_version":"%[1]s-LTS","optional":"LTS","security":0,"semver":"%[1]s.0.LTS"}`)
		publish = s.java
	case "julia":
		s.files["versions.json"] = s.index("{%s}", `"%[1]s":{"stable":true,"files":[
			{"url":"x","triplet":"x86_64-linux-gnu","kind":"archive","arch":"x86_64","version":"%[1]s","os":"linux","extension":"tar.gz"},
			{"url":"x","triplet":"aarch64-linux-gnu","kind":"archive","arch":"aarch64","version":"%[1]s","os":"linux","extension":"tar.gz"},
			{"url":"x","triplet":"x86_64-w64-mingw32","kind":"installer","arch":"x86_64","version":"%[1]s","os":"winnt","extension":"exe"}]}`)
		publish = s.julia
	case "llvm":
		s.files["releases.atom"] = feed("llvm/llvm-project", "llvmorg-", worlds)
		publish = s.llvm
	case "maven":
		s.files["maven2/org/apache/maven/apache-maven/maven-metadata.xml"] = append([]byte("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"),
			s.index("<metadata><groupId>org.apache.maven</groupId><versioning><versions>%s</versions></versioning></metadata>", "<version>%[1]s</version>")...)
		publish = s.maven
	case "swift":
		s.files["api/v1/install/releases.json"] = s.index("[%s]", `{"name":"%[1]s","tag":"swift-%[1]s-RELEASE","xcode":"Xcode 16","date":"%[2]s",
			"platforms":[{"name":"Debian 12","platform":"Linux","docker":"bookworm","archs":["x86_64","aarch64"]}]}`)
		publish = s.swift
	default:
		build := func(os, arch string) string {
			return fmt.Sprintf(`{"version":"%%[1]s","os":%[1]q,"arch":%[2]q,"filename":"%[3]s_%%[1]s_%[1]s_%[2]s.zip","url":"https://releases.hashicorp.com/"}`, os, arch, tool)
		}
		s.files[tool+"/index.json"] = s.index(`{"name":"`+tool+`","versions":{%s}}`, `"%[1]s":{"version":"%[1]s","shasums":"`+tool+`_%[1]s_SHA256SUMS","builds":[`+
			build("darwin", "arm64")+","+build("linux", "amd64")+","+build("linux", "arm64")+`]}`)
	}
	for _, s.world = range worlds {
		s.list = ""
		publish(s.world.Version)
	}
	return s.files
}

// A site collects the files of an upstream.
type site struct {
	tb     testing.TB
	tool   string
	files  map[string][]byte
	worlds []World

	// Of one version.
	world World
	dir   string // of its listed files
	list  string // their digests
}

// index returns an index with one entry per version. The entry is a format of the
// version, its date, its time, and its LTS name or false; outer is a format of all
// entries.
func (s *site) index(outer, entry string) []byte {
	var entries []string
	for _, w := range s.worlds {
		lts := "false"
		if w.Name != "" {
			lts = fmt.Sprintf("%q", w.Name)
		}
		text := strings.NewReplacer("%[1]s", w.Version, "%[2]s", w.Issued.Format(time.DateOnly),
			"%[3]s", w.Issued.UTC().Format("20060102150405-0700"), "%[4]s", lts).Replace(entry)
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

// addListed publishes a file and adds it to the list.
func (s *site) addListed(name string, data []byte) {
	sum := sha256.Sum256(data)
	s.files[s.dir+name] = data
	s.list += hex.EncodeToString(sum[:]) + "  " + name + "\n"
}

// detached publishes the list with detached signatures.
func (s *site) detached(name string, sign signFunc, suffixes ...string) {
	s.files[s.dir+name] = []byte(s.list)
	for _, suffix := range suffixes {
		s.addSigned(s.dir+name, s.dir+name+suffix, []byte(s.list), sign)
	}
}

// clearsigned publishes the list clear-signed.
func (s *site) clearsigned(name string) {
	s.files[s.dir+name] = []byte(s.list)
	if len(s.world.Signers) > 0 {
		s.files[s.dir+name] = verifytest.Clearsign(s.tb, []byte(s.list), s.world.Signed, s.world.Signers...)
	}
}

func (s *site) node(v string) {
	s.dir = "v" + v + "/"
	for _, platform := range []string{"darwin-arm64", "linux-arm64", "linux-x64"} {
		top := "node-v" + v + "-" + platform
		s.addListed(top+".tar.gz", tarball(s.tb,
			member{top + "/LICENSE", "MIT\n", 0o644},
			member{top + "/bin/node", printScript("v" + v), 0o755},
			member{top + "/bin/npm", "../lib/node_modules/npm/bin/npm-cli.js", fs.ModeSymlink},
			member{top + "/bin/npx", "../lib/node_modules/npm/bin/npm-cli.js", fs.ModeSymlink},
			member{top + "/lib/node_modules/npm/bin/npm-cli.js",
				"#!/bin/sh\ncat \"$(dirname \"$(readlink -f \"$0\")\")/../npmrc\"\n", 0o755}))
		s.addListed(top+".tar.xz", []byte(strings.Repeat("another compression of "+top+"\n", 150))) // larger, so it is never chosen
	}
	top := "node-v" + v + "-win-x64"
	s.addListed(top+".zip", zipped(s.tb, member{top + "/node.exe", printScript("v" + v), 0o755}))
	s.addListed("win-x64/node.exe", []byte("the program of "+top))
	s.detached("SHASUMS256.txt", verifytest.SignBinary, ".sig")
	s.clearsigned("SHASUMS256.txt.asc")
}

// bun's files have the same names in every version.
func (s *site) bun(v string) {
	s.dir = "releases/download/bun-v" + v + "/"
	for _, platform := range []string{"darwin-aarch64", "linux-aarch64", "linux-x64", "linux-x64-baseline", "linux-x64-musl"} {
		program := printScript(v) + "Bun v" + v + " (6ad208bc) " + platform + "\x00\n"
		s.addListed("bun-"+platform+".zip", zipped(s.tb, member{"bun-" + platform + "/", "", fs.ModeDir | 0o755},
			member{"bun-" + platform + "/bun", program, 0o755}))
	}
	s.detached("SHASUMS256.txt", nil)
	s.clearsigned("SHASUMS256.txt.asc")
}

func (s *site) cmake(v string) {
	s.dir = "releases/download/v" + v + "/"
	for _, platform := range []string{"linux-aarch64", "linux-x86_64"} {
		top := "cmake-" + v + "-" + platform
		s.addListed(top+".tar.gz", tarball(s.tb, member{top + "/bin/cmake", printScript("cmake version " + v), 0o755},
			member{top + "/bin/ctest", printScript("ctest version " + v), 0o755}, member{top + "/share/cmake/README", "\n", 0o644}))
	}
	top := "cmake-" + v + "-macos-universal"
	s.addListed(top+".tar.gz", tarball(s.tb, member{top + "/CMake.app/Contents/bin/cmake", printScript("cmake version " + v), 0o755}))
	s.detached("cmake-"+v+"-SHA-256.txt", verifytest.Cosign, ".asc")
}

func (s *site) hashicorp(v string) {
	tool := s.tool
	s.dir = tool + "/" + v + "/"
	for _, platform := range []string{"darwin_arm64", "linux_amd64", "linux_arm64"} {
		s.addListed(tool+"_"+v+"_"+platform+".zip", zipped(s.tb, member{"LICENSE.txt", "BUSL\n", 0o644}, member{tool, printScript(tool + " v" + v), 0o755}))
	}
	s.detached(tool+"_"+v+"_SHA256SUMS", verifytest.SignBinary, ".sig", ".72D7468F.sig")
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

// feed returns a releases.atom as GitHub serves it.
func feed(repository, tag string, worlds []World) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:media="http://search.yahoo.com/mrss/" xml:lang="en-US">
  <id>tag:github.com,2008:https://github.com/%[1]s/releases</id>
  <link type="text/html" rel="alternate" href="https://github.com/%[1]s/releases"/>
  <title>Release notes from %[1]s</title>
`, repository)
	for i, w := range worlds {
		fmt.Fprintf(&b, `  <entry>
    <id>tag:github.com,2008:Repository/%[1]d/%[2]s%[3]s</id>
    <updated>%[4]s</updated>
    <link rel="alternate" type="text/html" href="https://github.com/%[5]s/releases/tag/%[2]s%[3]s"/>
    <title>v%[3]s</title>
    <content type="html">&lt;p&gt;Changes&lt;/p&gt;</content>
  </entry>
`, 357728969+i, tag, w.Version, w.Issued.Format(time.RFC3339), repository)
	}
	b.WriteString("</feed>\n")
	return []byte(b.String())
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
