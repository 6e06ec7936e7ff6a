package host_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/kist-tools/kist/install/host"
)

func TestMachineID(t *testing.T) {
	id := strings.Repeat("0f", 16)
	for text, want := range map[string]string{
		id + "\n": id, id: id, // with and without the end of the line
		"": "", "uninitialized\n": "", id + id: "", strings.ToUpper(id): "", strings.Repeat(id+"\n", 10_000): "",
	} {
		root := fstest.MapFS{"etc/machine-id": {Data: []byte(text)}}
		if got := host.MachineID(root); got != want {
			t.Errorf("%.40q: %q, want %q", text, got, want)
		}
	}
	if got := host.MachineID(fstest.MapFS{}); got != "" {
		t.Errorf("without the file: %q", got)
	}
}
