package selfupdate

// OnStep makes p call f after each step, and replace programs as on the system goos.
func (p *Program) OnStep(goos string, f func(step string)) { p.goos, p.reached = goos, f }

var (
	Managed   = managed
	ReadBuild = readBuild
)
