package main

import (
	"context"
	"os"
	"runtime"
	"time"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/process"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/debian"
	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/manifests/transport/oci"
	"github.com/kist-tools/kist/manifests/upstreams"
)

// hostEnv is the environment of this process.
func hostEnv() cli.Env {
	program, _ := os.Executable()
	machine := host.Root()
	platform := host.Platform(machine)
	dirs := host.ReadDirs(os.Getenv, runtime.GOOS)
	terminal := term.Detect(os.Stdin, os.Stdout, os.Stderr)
	network := hostTransport()
	wait := 10 * time.Minute
	if terminal.Stderr { // somebody is watching
		wait = time.Minute
	}
	return cli.Env{
		Args:  os.Args[1:],
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Environ:   os.Environ(),
		Now:       time.Now,
		LockWait:  wait,
		Dirs:      dirs,
		Host:      host.User(machine, os.Getenv),
		Platform:  platform,
		Distro:    func() string { return host.Distro(machine) },
		Glibc:     func() string { return host.Glibc(machine, platform.Arch) },
		MachineID: func() string { return host.MachineID(machine) },
		Program:   program,
		Build:     cli.ReadBuild(),
		Machine:   machine,
		Child:     hostChild(),
		Stages:    &install.Stages{},
		Terminal:  terminal,
		OwnKeys:   upstreams.OwnKeys,
		Transport: webTransport(network),
		Network:   network,
		GoProxy: func(ctx context.Context, path host.SearchPath) string {
			config, _ := os.UserConfigDir()
			return host.GoProxy(ctx, path, os.Environ(), config)
		},
		AptSources: func() []debian.AptSource { return host.AptSources(machine) },
		Ask:        host.Ask,
		AskHelper:  host.AskHelper,
		Exec:       process.Replace,
	}
}

// hostTransport returns the configuration of the network, by the environment.
func hostTransport() transport.Config {
	return transport.Config{Version: cli.ReadBuild().Version, Proxy: transport.ProxyFromEnvironment(os.Getenv), Now: time.Now}
}

// webTransport returns the value of cli.Env.Transport for a network configured by c.
func webTransport(c transport.Config) func(transport.Logins) manifests.Transport {
	return func(logins transport.Logins) manifests.Transport {
		c.Credential, c.Login = logins.Credential, logins.Login
		web := transport.New(c)
		return transport.Mux(map[string]manifests.Transport{"https": web, "http": web, "file": web, manifests.RegistryScheme: oci.New(c)})
	}
}

// hostChild returns how to start this program as a sandboxed child: by /proc/self/exe,
// since the file on disk may have been replaced meanwhile. Systems other than Linux
// have no sandbox and no child.
func hostChild() install.Child {
	if runtime.GOOS != "linux" {
		return install.Child{}
	}
	return install.Child{Path: "/proc/self/exe", Args: []string{"kist", childVerb}}
}
