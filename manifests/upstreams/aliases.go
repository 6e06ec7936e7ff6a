package upstreams

// Alias returns the tool that another name means: python3 is python, jdk
// is java. Such a name is only suggested, never used to install.
func Alias(name string) (tool string, ok bool) {
	tool, ok = aliases()[name]
	return tool, ok
}

// aliases maps other names to tools of the table, of the distributions or of
// refused: names of packages elsewhere, of commands, of vendors, and short forms.
func aliases() map[string]string {
	return map[string]string{
		"c++": "gcc", "cc": "gcc", "g++": "gcc", "build-essential": "gcc", "gnu-gcc": "gcc",
		"clang++": "clang", "clangd": "llvm", "lld": "llvm", "lldb": "llvm",
		"cmake3": "cmake", "ctest": "cmake", "cpack": "cmake",
		"golang": "go", "golang-go": "go", "gofmt": "go", "go-lang": "go",
		"nodejs": "node", "node.js": "node", "node-js": "node", "npm": "node", "npx": "node", "corepack": "node", "nvm": "node",
		"bunx": "bun", "bunjs": "bun",
		"cargo": "rust", "rustc": "rust", "rustup": "rust", "rustfmt": "rust", "clippy": "rust", "rustlang": "rust", "rust-lang": "rust",
		"jdk": "java", "jre": "java", "javac": "java", "openjdk": "java", "default-jdk": "java", "temurin": "java", "adoptium": "java",
		"adoptopenjdk": "java", "corretto": "java", "zulu": "java", "graalvm": "java",
		"mvn": "maven", "apache-maven": "maven", "gradlew": "gradle",
		"tf": "terraform", "opentofu": "terraform", "tofu": "terraform", "hashicorp-terraform": "terraform",
		"helm3": "helm", "kubernetes-helm": "helm", "k8s": "kubectl", "kubernetes-cli": "kubectl",
		"swiftc": "swift", "swiftlang": "swift", "julialang": "julia", "juliaup": "julia",
		"ninja-build": "ninja", "systemtap-sdt-dev": "usdt", "sdt": "usdt", "rust-bindgen": "bindgen", "bindgen-cli": "bindgen",
		"python3": "python", "python2": "python", "py": "python", "pip": "python", "pip3": "python", "cpython": "python", "pyenv": "python",
		"dotnet-sdk": "dotnet", "csharp": "dotnet", "haskell": "ghc", "kotlinc": "kotlin", "ziglang": "zig", "dart-sdk": "dart",
		"denoland": "deno", "haskell-stack": "stack", "cabal-install": "cabal",
	}
}
