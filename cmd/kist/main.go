// Command kist installs toolchains from signed channels into directories of
// your own, and removes exactly what it wrote.
package main

import (
	"context"
	"io"
	"log"
	"os"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/process"
	"github.com/kist-tools/kist/install"
)

// childVerb is the argument with which kist starts itself to unpack archives.
// It is internal, and not listed in the help.
const childVerb = "unpack-child"

func main() {
	if len(os.Args) == 2 && os.Args[1] == childVerb {
		os.Exit(install.ServeChild())
	}
	realMain(hostEnv())
}

// realMain runs kist in env and ends the process with its exit code.
func realMain(env cli.Env) {
	log.SetOutput(io.Discard) // net/http logs what servers do wrong; kist reports what matters itself
	ctx, stop := process.UntilInterrupted(context.Background())
	code := make(chan int, 1)
	go func() { code <- run(ctx, env) }()
	os.Exit(process.Await(ctx, stop, code, func() { env.Stages.Remove() }, func() {
		printer := env.NewPrinter()
		printer.Color = "never" // the flags belong to run
		printer.Fail("interrupted", false, "")
	}))
}
