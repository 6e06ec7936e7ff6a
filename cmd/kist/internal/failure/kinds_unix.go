//go:build !windows

package failure

// systemKinds returns nothing: package syscall names all the errors of this system.
func systemKinds() []systemKind { return nil }
