package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/kist-tools/kist/"

// edges is the table of imports: which packages of this module each package uses. A new
// package or a new edge is a change of design, and belongs here first. Imports go one way:
// layersOf finds the layers that the table makes, and fails if there are none.
var edges = map[string][]string{
	"verify/inflate":             {},
	"verify":                     {"verify/inflate"},
	"manifests/rootfs":           {},
	"install/internal/private":   {"manifests/rootfs"},
	"manifests/internal/tomldoc": {},
	"install/internal/launcher":  {},

	"manifests":               {"verify"},
	"verify/keyrings":         {"verify"},
	"verify/verifytest":       {"verify"},
	"verify/verifytest/short": {},

	"manifests/native":                   {"manifests", "manifests/internal/tomldoc", "verify"},
	"manifests/rust":                     {"manifests", "manifests/internal/tomldoc", "verify"},
	"manifests/internal/signedfiles":     {"manifests", "verify"},
	"manifests/debian":                   {"manifests", "manifests/debian/internal/assemble", "verify"},
	"manifests/debian/internal/assemble": {"manifests"},
	"manifests/gosum":                    {"manifests", "verify"},
	"manifests/system":                   {"manifests"},
	"manifests/config":                   {"manifests", "manifests/internal/tomldoc", "verify"},
	"manifests/transport":                {"manifests", "manifests/config", "manifests/rootfs", "verify"},
	"manifests/bundle":                   {"manifests", "manifests/rootfs", "verify"},
	"manifests/channels":                 {"manifests", "manifests/rootfs", "manifests/internal/tomldoc", "manifests/native", "verify"},
	"manifests/manifesttest":             {"manifests", "verify", "verify/verifytest"},
	"install/record":                     {"manifests", "verify"},
	"install/internal/download":          {"install/internal/private", "manifests/rootfs", "manifests", "verify"},

	"manifests/advisories":            {"manifests", "manifests/debian"},
	"manifests/limits":                {"manifests", "manifests/channels", "manifests/debian", "verify"},
	"manifests/transport/oci":         {"manifests", "manifests/bundle", "manifests/transport", "verify"},
	"manifests/transport/oci/ocitest": {},
	"manifests/publish":               {"manifests", "manifests/rootfs", "manifests/native", "verify"},
	"manifests/publish/push":          {"manifests", "manifests/native", "manifests/publish", "manifests/transport/oci", "verify"},
	"manifests/lockfile":              {"manifests", "manifests/internal/tomldoc", "manifests/project", "verify"},
	"manifests/project":               {"manifests", "manifests/internal/tomldoc", "manifests/rust"},
	"manifests/upstreams": {"manifests", "manifests/rust", "manifests/internal/signedfiles", "manifests/debian",
		"manifests/gosum", "verify", "verify/keyrings"},
	"install/plan":            {"install/record", "manifests", "manifests/debian", "verify"},
	"install/internal/unpack": {"manifests/rootfs", "install/record", "manifests", "verify", "verify/inflate"},
	"install/internal/store":  {"install/internal/launcher", "manifests/rootfs", "install/record", "manifests", "verify"},

	"install/internal/roots":   {"install/internal/store", "manifests/rootfs"},
	"install/internal/sandbox": {"install/record", "install/internal/unpack", "manifests", "verify"},
	"install/internal/fetch":   {"install/internal/download", "install/internal/private", "manifests/rootfs", "install/record", "install/internal/unpack", "manifests", "verify"},

	// trust imports neither install nor its records: both would be a way back up.
	"manifests/trust": {"manifests", "manifests/channels", "manifests/config", "manifests/debian", "manifests/gosum", "manifests/limits", "manifests/native", "manifests/rust",
		"manifests/system", "manifests/transport", "manifests/upstreams", "verify", "verify/keyrings"},

	// install imports no source and no transport: both are handed in.
	"install": {"install/internal/download", "install/internal/fetch", "install/internal/launcher", "install/internal/private", "manifests/rootfs", "install/internal/roots", "install/internal/sandbox", "install/internal/store",
		"install/plan", "install/record", "install/internal/unpack", "manifests", "verify"},
	"install/cache":  {"install/internal/download", "manifests", "manifests/rootfs", "verify"},
	"install/upkeep": {"install", "install/host", "install/plan", "install/record", "install/toolset"},
	"install/health": {"install", "install/cache", "install/host", "install/record", "install/toolset", "manifests", "manifests/channels", "verify"},
	"install/evidence": {"install", "install/internal/download", "install/record", "manifests", "manifests/channels", "manifests/debian", "manifests/native",
		"manifests/trust", "manifests/upstreams", "verify"},
	"install/copies": {"install", "install/internal/download", "install/internal/fetch", "install/internal/private", "manifests", "manifests/config", "manifests/native",
		"manifests/rootfs", "manifests/trust", "verify"},
	"install/mirror": {"install/copies", "install/internal/download", "manifests", "manifests/config", "manifests/rootfs", "verify"},
	"install/bundles": {"install/copies", "install/internal/download", "manifests", "manifests/bundle", "manifests/debian", "manifests/gosum",
		"manifests/rootfs", "manifests/transport/oci", "manifests/trust", "verify"},
	"install/image": {"install", "install/internal/download", "install/internal/store", "install/record", "manifests", "manifests/channels", "manifests/rootfs",
		"manifests/trust", "verify"},
	"install/trial":          {"install", "install/plan", "install/record", "manifests", "manifests/native", "manifests/publish", "verify"},
	"install/bill":           {"install/record", "manifests", "manifests/debian", "manifests/trust", "verify"},
	"install/provenance":     {"install/record", "manifests", "verify"},
	"install/inventory":      {"install/bill", "install/record", "manifests", "verify"},
	"install/host":           {"install", "manifests", "manifests/config", "manifests/debian", "manifests/system"},
	"install/toolset":        {"install", "install/host", "install/plan", "install/record", "manifests", "manifests/channels", "manifests/debian", "manifests/limits", "manifests/lockfile", "manifests/project", "manifests/system", "manifests/trust", "verify"},
	"install/selfupdate":     {"install", "install/host", "manifests", "manifests/rootfs", "verify"},
	"install/credentials":    {"install", "install/host", "manifests/config", "manifests/transport", "verify"},
	"cmd/kist/internal/term": {"install"},
	"cmd/kist/internal/completion": {"cmd/kist/internal/term", "install/record", "install/toolset", "manifests/channels", "manifests/debian",
		"manifests/system", "manifests/trust", "manifests/upstreams"},
	"cmd/kist/internal/namedfiles": {"install", "install/bundles", "install/host", "manifests", "manifests/bundle", "manifests/project", "manifests/rootfs", "verify"},
	"cmd/kist/internal/failure": {"cmd/kist/internal/namedfiles", "cmd/kist/internal/term", "install", "install/credentials", "install/evidence",
		"install/host", "install/image", "install/mirror", "install/plan", "install/selfupdate", "install/toolset", "install/trial", "manifests", "manifests/channels", "manifests/config", "manifests/debian", "manifests/gosum", "manifests/limits", "manifests/lockfile", "manifests/project", "manifests/publish", "manifests/publish/push", "manifests/system", "manifests/transport", "manifests/trust", "manifests/upstreams", "install/copies", "install/bundles", "manifests/bundle",
		"verify"},
	"install/audit":               {"install/evidence", "install/record", "install/toolset", "manifests", "manifests/advisories", "manifests/limits", "manifests/trust", "verify"},
	"cmd/kist/internal/audittext": {"cmd/kist/internal/term", "install/audit"},
	"cmd/kist/internal/prooftext": {"cmd/kist/internal/term", "install/evidence", "manifests/trust", "verify"},
	"cmd/kist/internal/help":      {"cmd/kist/internal/failure", "cmd/kist/internal/term", "install/plan"},
	"cmd/kist/internal/change": {"cmd/kist/internal/failure", "cmd/kist/internal/prooftext", "cmd/kist/internal/term", "install",
		"install/evidence", "install/host", "install/plan", "install/record", "install/toolset", "manifests", "manifests/channels", "manifests/trust", "verify", "install/cache"},
	"cmd/kist/internal/bundletext":    {"cmd/kist/internal/prooftext", "cmd/kist/internal/term", "install/bundles", "install/copies", "manifests", "verify"},
	"cmd/kist/internal/inventorytext": {"cmd/kist/internal/term", "install/bill", "install/inventory", "verify"},
	"cmd/kist/internal/imagetext":     {"cmd/kist/internal/term", "install/image", "verify"},
	"cmd/kist/internal/mirrortext": {"cmd/kist/internal/failure", "cmd/kist/internal/term", "install/bundles", "install/copies", "install/mirror",
		"manifests", "manifests/config"},
	"cmd/kist/internal/process": {},
	"cmd/kist/internal/projectfiles": {"cmd/kist/internal/failure", "cmd/kist/internal/namedfiles", "cmd/kist/internal/term", "install/plan", "install/toolset",
		"manifests", "manifests/config", "manifests/lockfile", "manifests/project", "manifests/trust"},
	"cmd/kist/internal/pagetext":    {"cmd/kist/internal/term", "install/host", "manifests", "manifests/native", "manifests/publish", "verify"},
	"cmd/kist/internal/publishtext": {"cmd/kist/internal/prooftext", "cmd/kist/internal/term", "install/host", "install/trial", "manifests/publish", "manifests/publish/push", "verify"},
	"cmd/kist/internal/healthtext":  {"cmd/kist/internal/term", "install", "install/health", "install/toolset"},
	"cmd/kist/internal/upkeeptext":  {"cmd/kist/internal/change", "cmd/kist/internal/term", "install/cache", "install/record", "install/upkeep"},
	"cmd/kist/internal/selftext":    {"cmd/kist/internal/prooftext", "cmd/kist/internal/term", "install/selfupdate", "verify"},
	"cmd/kist/internal/releasetext": {"cmd/kist/internal/change", "cmd/kist/internal/prooftext", "cmd/kist/internal/term", "install", "install/evidence",
		"install/record", "install/toolset", "manifests", "verify"},
	"cmd/kist/internal/cli": {"cmd/kist/internal/change", "cmd/kist/internal/completion", "cmd/kist/internal/failure", "cmd/kist/internal/help",
		"cmd/kist/internal/namedfiles", "cmd/kist/internal/projectfiles", "cmd/kist/internal/term", "install", "install/bundles", "install/credentials",
		"install/host", "install/plan", "install/record", "install/toolset", "manifests", "manifests/channels", "manifests/config", "manifests/debian",
		"manifests/lockfile", "manifests/transport", "manifests/transport/oci", "manifests/trust", "verify"},
	"cmd/kist/internal/publishing": {"cmd/kist/internal/bundletext", "cmd/kist/internal/change", "cmd/kist/internal/cli",
		"cmd/kist/internal/completion", "cmd/kist/internal/failure", "cmd/kist/internal/imagetext", "cmd/kist/internal/mirrortext",
		"cmd/kist/internal/namedfiles", "cmd/kist/internal/pagetext", "cmd/kist/internal/projectfiles", "cmd/kist/internal/publishtext",
		"cmd/kist/internal/term", "install", "install/bundles", "install/copies", "install/evidence", "install/host", "install/image", "install/mirror",
		"install/plan", "install/toolset", "install/trial", "manifests", "manifests/bundle", "manifests/channels", "manifests/config", "manifests/native",
		"manifests/publish", "manifests/publish/push", "manifests/trust", "manifests/upstreams", "verify"},
	"cmd/kist": {"cmd/kist/internal/audittext", "cmd/kist/internal/change", "cmd/kist/internal/cli", "cmd/kist/internal/completion",
		"cmd/kist/internal/failure", "cmd/kist/internal/healthtext", "cmd/kist/internal/help", "cmd/kist/internal/inventorytext", "cmd/kist/internal/namedfiles", "cmd/kist/internal/process",
		"cmd/kist/internal/projectfiles", "cmd/kist/internal/prooftext", "cmd/kist/internal/publishing", "cmd/kist/internal/releasetext", "cmd/kist/internal/selftext",
		"cmd/kist/internal/term", "cmd/kist/internal/upkeeptext", "install", "install/audit", "install/bill", "install/cache", "install/evidence", "install/health", "install/host",
		"install/inventory", "install/plan", "install/provenance", "install/record", "install/selfupdate", "install/toolset", "install/upkeep", "manifests", "manifests/advisories", "manifests/channels",
		"manifests/config", "manifests/debian", "manifests/limits", "manifests/lockfile", "manifests/project", "manifests/transport",
		"manifests/transport/oci", "manifests/trust", "manifests/upstreams", "verify"},
}

// outsiders are the packages from elsewhere, by prefix, and the packages or
// files that may import them; each is chosen for one thing.
var outsiders = map[string][]string{
	"github.com/ProtonMail/go-crypto":     {"verify", "verify/verifytest"},
	"golang.org/x/mod":                    {"verify", "verify/verifytest", "manifests/project"},
	"github.com/adrg/xdg":                 {"install/host/dirs.go"},
	"github.com/schollz/progressbar/v3":   {"cmd/kist/internal/term/progress_line.go"},
	"github.com/CycloneDX/cyclonedx-go":   {"install/bill"},
	"github.com/spdx/tools-golang":        {"install/bill"},           // only the types of SPDX 2.3, never its parsers
	"github.com/rivo/uniseg":              {"cmd/kist/internal/term"}, // how many columns a text takes
	"github.com/spf13":                    {"cmd/kist", "cmd/kist/internal/cli", "cmd/kist/internal/publishing", "cmd/kist/internal/completion", "cmd/kist/internal/help"},
	"golang.org/x/term":                   {"cmd/kist/internal/term"},
	"golang.org/x/net/http/httpproxy":     {"manifests/transport"},
	"golang.org/x/sys":                    {"install/memory_linux.go", "install/internal/private", "install/internal/roots", "manifests/rootfs", "install/internal/sandbox"},
	"github.com/landlock-lsm/go-landlock": {"install/internal/sandbox"},
	"github.com/pelletier/go-toml/v2":     {"manifests/internal/tomldoc", "manifests/channels"},
	"github.com/klauspost/compress":       {"install/internal/unpack"},
	"github.com/therootcompany/xz":        {"install/internal/unpack", "manifests/debian"},
	"golang.org/x/sync":                   {"manifests/publish/push", "install", "install/internal/fetch", "install/internal/private", "install/trial", "install/internal/unpack"},
	"golang.org/x/text":                   {"install/internal/unpack"},
	"net/http":                            {"manifests/transport", "manifests/transport/oci", "manifests/transport/oci/ocitest", "verify/verifytest"},
	"os/exec":                             {"cmd/kist/internal/process/replace_windows.go", "install/host/tools.go", "install/internal/sandbox/parent_linux.go"},
	"unsafe":                              {"install/internal/sandbox/calls_linux.go"}, // hands the kernel a filter
}

// ownsRoot are the files that touch the file system by path, and why; every
// other goes through an *os.Root that it was given.
var ownsRoot = map[string]string{
	"install/internal/roots/open.go":             "opens the directories that were checked: the handle is the only way in",
	"install/internal/roots/pair.go":             "looks whether another directory is kist's",
	"install/internal/roots/mounts_linux.go":     "reads the mount table",
	"install/internal/roots/machine_unix.go":     "checks the directories",
	"install/internal/roots/machine_windows.go":  "checks the directories",
	"install/memory_linux.go":                    "reads how much memory there is",
	"install/internal/sandbox/child_linux.go":    "opens the directory that it was handed",
	"install/internal/sandbox/wall_linux.go":     "reads what the process has open, and how large it is",
	"install/host/config.go":                     "reads config.toml, and shells' start-up files, before the directories of kist are open",
	"install/selfupdate/program.go":              "reads the file of the program that runs",
	"install/host/secret.go":                     "checks files and programs that the user names in config.toml",
	"install/host/machine.go":                    "opens the machine's root directory, to read what it is",
	"manifests/transport/dir.go":                 "serves file URLs",
	"cmd/kist/internal/namedfiles/database.go":   "opens a directory that is named on the command line",
	"cmd/kist/internal/namedfiles/namedfiles.go": "opens files that are named on the command line",
}

// removesAll are the files that may call a method named RemoveAll, and why.
var removesAll = map[string]string{
	"install/internal/store/sweep.go": "sweeps stages, which hold nothing but what kist is writing",
	"cmd/kist/uninstall.go":           "calls install's own, which goes by receipts",
}

// byPath are the functions of package os that take a path.
var byPath = []string{
	"Chdir", "Chmod", "Chown", "Chtimes", "CopyFS", "Create", "CreateTemp", "DirFS", "Lchown", "Link", "Mkdir",
	"MkdirAll", "MkdirTemp", "Open", "OpenFile", "OpenRoot", "ReadDir", "ReadFile", "Readlink", "Remove",
	"RemoveAll", "Rename", "Symlink", "Truncate", "WriteFile",
}

// effectless are the packages that have no effects, and what they may not import.
var effectless = map[string][]string{
	"install/plan":   {"os", "os/exec", "net", "net/http", "syscall"},
	"install/record": {"os", "os/exec", "net", "net/http", "syscall"},
}

// layersOf sorts the packages of the table into layers: each package uses only packages of
// lower layers, the lowest first, and lies as low as that allows.
func layersOf(t *testing.T) (layers [][]string) {
	t.Helper()
	placed := map[string]bool{}
	for len(placed) < len(edges) {
		var layer []string
		for pkg, imports := range edges {
			if !placed[pkg] && !slices.ContainsFunc(imports, func(imported string) bool { return !placed[imported] }) {
				layer = append(layer, pkg)
			}
		}
		if len(layer) == 0 {
			t.Fatal("packages import each other, or one that is not in the table")
		}
		for _, pkg := range layer {
			placed[pkg] = true
		}
		slices.Sort(layer)
		layers = append(layers, layer)
	}
	return layers
}

// TestFoldersAreOrdered checks that imports between the four folders go one way: a folder
// uses itself and those before it.
func TestFoldersAreOrdered(t *testing.T) {
	folders := []string{"verify", "manifests", "install", "cmd"}
	rank := func(pkg string) int { return slices.Index(folders, strings.Split(pkg, "/")[0]) }
	for pkg, imports := range edges {
		for _, imported := range imports {
			if rank(imported) > rank(pkg) {
				t.Errorf("%s imports %s, of a folder above its own", pkg, imported)
			}
		}
	}
}

func TestLayers(t *testing.T) {
	for _, file := range sources(t) {
		pkg := path.Dir(file.name)
		if _, ok := edges[pkg]; !ok {
			t.Errorf("%s: package %s is not in the table", file.name, pkg)
		}
		for _, spec := range file.syntax.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if inside, ok := strings.CutPrefix(imported, module); ok {
				if !slices.Contains(edges[pkg], inside) {
					t.Errorf("%s imports %s: a new edge", file.name, inside)
				}
				continue
			}
			if slices.Contains(effectless[pkg], imported) {
				t.Errorf("%s imports %s: the package is to have no effects", file.name, imported)
			}
			if allowed, known := outsider(imported); known && !slices.Contains(allowed, pkg) && !slices.Contains(allowed, file.name) {
				t.Errorf("%s imports %s, which only %v may", file.name, imported, allowed)
			} else if !known && strings.Contains(imported, ".") {
				t.Errorf("%s imports %s, a dependency that is not in the table", file.name, imported)
			}
		}
	}
}

func outsider(imported string) (allowed []string, known bool) {
	for prefix, allowed := range outsiders {
		if imported == prefix || strings.HasPrefix(imported, prefix+"/") {
			return allowed, true
		}
	}
	return nil, false
}

func TestBannedCalls(t *testing.T) {
	for _, file := range sources(t) {
		ast.Inspect(file.syntax, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			of, _ := sel.X.(*ast.Ident)
			at := file.fset.Position(sel.Pos())
			switch name := sel.Sel.Name; {
			case name == "RemoveAll" && removesAll[file.name] == "":
				t.Errorf("%v: RemoveAll: kist removes by receipt, never a tree", at)
			case of == nil:
			case of.Name == "os" && slices.Contains(byPath, name) && ownsRoot[file.name] == "":
				t.Errorf("%v: os.%s: files are reached through an *os.Root", at, name)
			case of.Name == "time" && slices.Contains([]string{"Now", "Since", "Until"}, name) && path.Dir(file.name) != "cmd/kist":
				t.Errorf("%v: time.%s: the time is handed in", at, name)
			case of.Name == "os" && slices.Contains([]string{"Getenv", "LookupEnv", "Environ", "Exit"}, name) && path.Dir(file.name) != "cmd/kist":
				t.Errorf("%v: os.%s: the environment is cmd/kist's", at, name)
			}
			return true
		})
	}
}

// streamFiles are the files that may touch stdout and stderr, and why; every other
// prints through term.Printer, which escapes what is not kist's own text.
var streamFiles = map[string]string{
	"cmd/kist/internal/term/printer.go":            "is the way to them",
	"cmd/kist/process.go":                          "hands them in",
	"cmd/kist/internal/cli/env.go":                 "gives them to the printer",
	"install/internal/sandbox/child_linux.go":      "is another process; the parent prints its last line, as part of an error",
	"cmd/kist/internal/process/replace_windows.go": "gives them to the program that takes kist's place",
}

// TestOneWayOut checks that only term.Printer writes to the terminal: a new call cannot
// forget to escape.
func TestOneWayOut(t *testing.T) {
	cobras := []string{"Print", "Printf", "Println", "PrintErr", "PrintErrf", "PrintErrln", "OutOrStdout", "OutOrStderr", "ErrOrStderr", "OutOrStdErr"}
	for _, file := range sources(t) {
		if streamFiles[file.name] != "" {
			continue
		}
		ast.Inspect(file.syntax, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if f, ok := call.Fun.(*ast.Ident); ok && (f.Name == "print" || f.Name == "println") {
					t.Errorf("%v: %s: kist prints through term.Printer", file.fset.Position(call.Pos()), f.Name)
				}
			}
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			at := file.fset.Position(sel.Pos())
			of, _ := sel.X.(*ast.Ident)
			switch name := sel.Sel.Name; {
			case strings.EqualFold(name, "stdout") || strings.EqualFold(name, "stderr"):
				if inner, ok := sel.X.(*ast.SelectorExpr); ok && inner.Sel.Name == "Terminal" {
					break // a bool
				}
				if of != nil && (of.Name == "cmd" || of.Name == "k") { // the stream of a child, which is read
					break
				}
				t.Errorf("%v: %s: kist prints through term.Printer", at, name)
			case slices.Contains(cobras, name) && strings.HasPrefix(file.name, "cmd/kist/") && (of == nil || of.Name != "fmt"):
				t.Errorf("%v: %s: kist prints through term.Printer", at, name)
			case of != nil && of.Name == "fmt" && strings.HasPrefix(name, "Print"):
				t.Errorf("%v: fmt.%s: kist prints through term.Printer", at, name)
			}
			return true
		})
	}
}

// resultNames are the types of cmd/kist and below with a method Render(*term.Page), each
// with the last element of its package's path, as in "kist.whichResult".
func resultNames(t *testing.T) (names []string) {
	for _, file := range sources(t) {
		if !strings.HasPrefix(file.name, "cmd/kist/") {
			continue
		}
		for _, decl := range file.syntax.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv == nil || f.Name.Name != "Render" {
				continue
			}
			if of, ok := f.Recv.List[0].Type.(*ast.Ident); ok {
				names = append(names, path.Base(path.Dir(file.name))+"."+of.Name)
			}
		}
	}
	return names
}

// TestNoState allows variables of a package where they are tables: nothing may
// assign to one, to an element or a field of it, or take its address.
func TestNoState(t *testing.T) {
	variables := map[string]bool{} // by "package name"
	for _, file := range sources(t) {
		for _, decl := range file.syntax.Decls {
			if gen, ok := decl.(*ast.GenDecl); ok && gen.Tok == token.VAR {
				for _, spec := range gen.Specs {
					for _, name := range spec.(*ast.ValueSpec).Names {
						variables[path.Dir(file.name)+" "+name.Name] = true
					}
				}
			}
		}
	}
	for _, file := range sources(t) {
		check := func(target ast.Expr) {
			name := base(target)
			// An identifier that the parser resolved to a declaration inside
			// a function is another variable of that name.
			if name == nil || !variables[path.Dir(file.name)+" "+name.Name] || local(file.syntax, name) {
				return
			}
			t.Errorf("%v: variable %s of the package is changed", file.fset.Position(target.Pos()), name.Name)
		}
		ast.Inspect(file.syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				if n.Tok != token.DEFINE {
					for _, target := range n.Lhs {
						check(target)
					}
				}
			case *ast.IncDecStmt:
				check(n.X)
			case *ast.UnaryExpr:
				if n.Op == token.AND {
					check(n.X)
				}
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "delete" || f.Name == "clear") {
					check(n.Args[0])
				}
			}
			return true
		})
	}
}

// base returns the variable whose element or field the expression e is.
func base(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.IndexExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}

// local reports whether name is declared in the function around it.
func local(file *ast.File, name *ast.Ident) bool {
	if name.Obj == nil {
		return false // declared in another file of the package
	}
	_, global := file.Scope.Objects[name.Name]
	return !global || file.Scope.Objects[name.Name] != name.Obj
}

// source is one file of the module that is not a test.
type source struct {
	name   string // slash-separated, below the module
	fset   *token.FileSet
	syntax *ast.File
}

func sources(t *testing.T) (files []source) {
	t.Helper()
	root, err := os.OpenRoot("../..")
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "docs"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		text, err := root.ReadFile(name)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		syntax, err := parser.ParseFile(fset, name, text, parser.ParseComments)
		files = append(files, source{name, fset, syntax})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 50 {
		t.Fatalf("only %d files were found", len(files))
	}
	return files
}
