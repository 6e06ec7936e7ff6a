// Command kist installs toolchains from signed channels into directories of
// your own, and removes exactly what it wrote.
package main

import (
	"context"
	"io"
	"log"
	"os"

	"github.com/kist-tools/kist/install"
)

// childVerb is what kist starts itself with to unpack archives. It is no verb for
// people.
const childVerb = "unpack-child"

func main() {
	if len(os.Args) == 2 && os.Args[1] == childVerb {
		os.Exit(install.ServeChild())
	}
	live(hostEnv())
}

// live is the life of the process.
func live(env Env) {
	log.SetOutput(io.Discard) // net/http speaks there of what servers do; kist says what matters
	ctx, stop := untilInterrupted(context.Background())
	code := make(chan int, 1)
	go func() { code <- run(ctx, env) }()
	os.Exit(await(ctx, stop, env, code))
}
