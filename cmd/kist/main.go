// Command kist installs toolchains from signed channels into directories of
// your own, and removes exactly what it wrote.
package main

import (
	"context"
	"os"
)

func main() {
	ctx, stop := untilInterrupted(context.Background())
	code := run(ctx, hostEnv())
	stop()
	os.Exit(code)
}
