//go:build interop && unix

package launcher_test

// The programs that systems have as sh.
func init() {
	shells = [][]string{{"dash"}, {"bash", "--posix"}, {"busybox", "sh"}, {"mksh"}}
}
