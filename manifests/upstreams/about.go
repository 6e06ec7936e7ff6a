package upstreams

// About describes a tool in a few words; "" if the tool is unknown.
func About(tool string) string {
	return map[string]string{
		"bindgen":   "makes Rust bindings to C libraries",
		"bun":       "JavaScript runtime and bundler",
		"clang":     "C, C++ and Objective-C compiler",
		"cmake":     "build system generator",
		"consul":    "service discovery",
		"gcc":       "GNU C and C++ compiler",
		"go":        "the Go programming language",
		"gradle":    "build tool for the JVM",
		"helm":      "package manager for Kubernetes",
		"java":      "Java development kit",
		"julia":     "language for technical computing",
		"meson":     "build system",
		"ninja":     "small, fast build system",
		"node":      "Node.js JavaScript runtime, with npm",
		"nomad":     "workload scheduler",
		"packer":    "builds machine images",
		"python":    "the Python interpreter",
		"rust":      "Rust compiler, with cargo",
		"swift":     "the Swift programming language",
		"terraform": "infrastructure as code",
		"usdt":      "headers of static trace points",
		"vault":     "manages secrets",
	}[tool]
}
