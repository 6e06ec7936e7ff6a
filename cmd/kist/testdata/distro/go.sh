cat >go.mod <<'END'
module hello

go 1.19
END
cat >main.go <<'END'
package main

import (
	"fmt"
	"os"
)

func main() {
	for _, name := range []string{"LD_LIBRARY_PATH", "LD_PRELOAD", "GOROOT"} {
		if value, set := os.LookupEnv(name); set {
			panic(name + "=" + value)
		}
	}
	fmt.Println("hello from Go")
}
END
go version
go run .
go build -o hello .
./hello
go vet .
gofmt -l .
