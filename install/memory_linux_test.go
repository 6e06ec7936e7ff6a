package install

import (
	"math"
	"testing"
	"testing/fstest"
)

func TestGroupMemory(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"no groups":         {nil, math.MaxInt64},
		"no limit":          {map[string]string{"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n"}, math.MaxInt64},
		"a limit":           {map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "536870912\n"}, 512 << 20},
		"one further out":   {map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "536870912\n", "sys/fs/cgroup/a/memory.max": "1048576\n"}, 1 << 20},
		"in a container":    {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "536870912\n"}, 512 << 20},
		"version 1":         {map[string]string{"proc/self/cgroup": "5:cpu:/x\n4:memory:/a\n", "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "4096\n", "sys/fs/cgroup/x/memory.max": "1"}, 4096},
		"what cannot be so": {map[string]string{"proc/self/cgroup": "0::/../../etc\nnonsense\n", "sys/fs/cgroup/etc/memory.max": "-5"}, math.MaxInt64},
	} {
		root := fstest.MapFS{}
		for file, text := range c.files {
			root[file] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := groupMemory(root); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	if m := memory(); m < 16<<20 {
		t.Errorf("this machine has %d bytes of memory", m)
	}
}

func TestDecoderMemory(t *testing.T) {
	for machine, want := range map[int64]int64{math.MaxInt64: 256 << 20, 8 << 30: 256 << 20, 1 << 30: 256 << 20, 512 << 20: 128 << 20} {
		if got := decoderMemory(machine); got != want {
			t.Errorf("of %d: %d, want %d", machine, got, want)
		}
	}
}
