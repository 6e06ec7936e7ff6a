cat >go.mod <<'END'
module hello

go 1.19
END
cat >main.go <<'END'
package main

import (
	"fmt"
	"net/http"
	"os"
)

func main() {
	for _, name := range []string{"LD_LIBRARY_PATH", "LD_PRELOAD", "GOROOT"} {
		if value, set := os.LookupEnv(name); set {
			panic(name + "=" + value)
		}
	}
	fmt.Println("hello from Go", http.StatusOK)
}
END
go version
go run .
go build -o hello .
./hello
CGO_ENABLED=0 go vet . # which otherwise starts a C compiler
gofmt -l .
