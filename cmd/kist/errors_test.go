package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"strconv"
	"strings"
	"testing"

	"github.com/kist-tools/kist/cmd/kist/internal/failure"
)

// TestKindsAreThoseOfTheErrors compares the table of kinds with the source: an error has no
// kind that is missing in the table, and the table has no kind that no error has.
func TestKindsAreThoseOfTheErrors(t *testing.T) {
	stated := map[string]bool{"space": true, "permission": true} // also of the system's errors: see kindOf
	for _, file := range sources(t) {
		ast.Inspect(file.syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv == nil && n.Name.Name == "ReadKind" || n.Recv != nil && n.Name.Name == "Kind" {
					ast.Inspect(n.Body, func(n ast.Node) bool {
						switch n := n.(type) {
						case *ast.ReturnStmt:
							addLiterals(stated, n.Results...)
						case *ast.CallExpr: // of ReadKind
							addLiterals(stated, n.Args...)
							return false
						}
						return true
					})
				}
			case *ast.CompositeLit:
				if nameOf(n.Type) == "plainError" {
					addLiterals(stated, n.Elts[0])
				}
			case *ast.CallExpr:
				switch name := nameOf(n.Fun); {
				case name == "NewClass":
					addLiterals(stated, n.Args[1])
				case name == "New" && strings.Contains(fmt.Sprint(n.Fun), "failure"), name == "New" && path.Dir(file.name) == "cmd/kist/internal/failure":
					addLiterals(stated, n.Args[0])
				}
			}
			return true
		})
	}
	known := map[string]bool{}
	for _, k := range failure.Kinds() {
		if known[k.Name] = true; !stated[k.Name] {
			t.Errorf("no error has the kind %s", k.Name)
		}
		if k.Means == "" {
			t.Errorf("kind %s has no meaning", k.Name)
		}
	}
	for name := range stated {
		if name != "" && !known[name] {
			t.Errorf("kind %q is not in the table", name)
		}
	}
}

// addLiterals adds the values of those of list that are string literals.
func addLiterals(to map[string]bool, list ...ast.Expr) {
	for _, e := range list {
		if call, ok := e.(*ast.CallExpr); ok {
			addLiterals(to, call.Args...)
		}
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if text, err := strconv.Unquote(lit.Value); err == nil {
				to[text] = true
			}
		}
	}
}

// nameOf returns the name of a function or type without its package.
func nameOf(fun ast.Expr) string {
	switch f := fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}
