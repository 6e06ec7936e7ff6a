package main

import (
	"go/ast"
	"go/token"
	"strconv"
	"testing"
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
			case *ast.CallExpr:
				if nameOf(n.Fun) == "NewClass" {
					addLiterals(stated, n.Args[1])
				}
			case *ast.CompositeLit:
				if nameOf(n.Type) == "plainError" {
					addLiterals(stated, n.Elts[0])
				}
			}
			return true
		})
	}
	known := map[string]bool{}
	for _, k := range kinds() {
		if known[k.name] = true; !stated[k.name] {
			t.Errorf("no error has the kind %s", k.name)
		}
		if k.means == "" {
			t.Errorf("kind %s has no meaning", k.name)
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

// TestHintsAreOfKnownKinds: a row for a kind that does not exist would never be followed.
func TestHintsAreOfKnownKinds(t *testing.T) {
	known := map[string]bool{}
	for _, k := range kinds() {
		known[k.name] = true
	}
	for _, row := range append(hints(), publisherHints()...) {
		if !known[row.kind] {
			t.Errorf("there are hints for the kind %q, which is not in the table", row.kind)
		}
	}
}
