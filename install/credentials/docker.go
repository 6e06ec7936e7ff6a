package credentials

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/manifests/config"
	"github.com/kist-tools/kist/manifests/transport"
)

// DockerFiles returns the paths of the files in which docker and podman keep logins to
// registries, in the order in which they are read: REGISTRY_AUTH_FILE; config.json in
// DOCKER_CONFIG, which is ~/.docker by default; containers/auth.json in XDG_RUNTIME_DIR
// and in the directory of settings.
func DockerFiles(getenv func(string) string, home string) (list []string) {
	add := func(dir string, elements ...string) {
		if filepath.IsAbs(dir) {
			list = append(list, filepath.Join(append([]string{dir}, elements...)...))
		}
	}
	add(getenv("REGISTRY_AUTH_FILE"))
	if dir := getenv("DOCKER_CONFIG"); dir != "" {
		add(dir, "config.json")
	} else {
		add(home, ".docker", "config.json")
	}
	add(getenv("XDG_RUNTIME_DIR"), "containers", "auth.json")
	if dir := getenv("XDG_CONFIG_HOME"); dir != "" {
		add(dir, "containers", "auth.json")
	} else {
		add(home, ".config", "containers", "auth.json")
	}
	return list
}

// A dockerFile is a file of logins that was read.
type dockerFile struct {
	path    string
	logins  config.Docker
	exposed string // why it is not used; empty: it is
}

// ForRegistry is a transport.LoginFunc: it returns the login that the files of docker and
// podman have for a repository. A file or a helper that cannot be used is warned of once,
// and passed over. Errors are those of the context.
func (f *Finder) ForRegistry(ctx context.Context, registry, repository string) (transport.Authorization, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.docker == nil {
		f.docker = f.readDockerFiles()
	}
	for _, file := range f.docker {
		login, ok, err := file.logins.For(registry, repository)
		switch {
		case err != nil:
			f.warnOnce(fmt.Sprintf("%s is not used for %s: %v", file.path, registry, err))
			continue
		case !ok:
			continue
		case file.exposed != "":
			f.warnOnce(fmt.Sprintf("%s is not used: %s (chmod 600 %[1]s)", file.path, file.exposed))
			continue
		}
		shown := transport.Authorization{User: login.User, Password: login.Password, Source: file.path}
		if login.Helper == "" {
			return shown, nil
		}
		shown.User, shown.Password, err = f.askDockerHelper(ctx, login)
		if ctx.Err() != nil {
			return transport.Authorization{}, ctx.Err()
		}
		if err == nil {
			return shown, nil
		}
		// A helper for all registries fails for those that it does not know.
		if unsafe := new(host.UnsafeFileError); login.Sure || errors.As(err, &unsafe) {
			f.warnOnce(fmt.Sprintf("docker-credential-%s, which %s names, is not used: %v", login.Helper, file.path, err))
		}
	}
	return transport.Authorization{}, nil
}

func (f *Finder) readDockerFiles() []dockerFile {
	list := []dockerFile{}
	for _, path := range f.Docker {
		data, err := host.ReadSecret(path, config.MaxDockerFile, f.User)
		file := dockerFile{path: path}
		if exposed, isExposed := errors.AsType[*host.UnsafeFileError](err); isExposed {
			file.exposed, err = exposed.Why, nil
		}
		if err == nil {
			file.logins, err = config.ParseDocker(data)
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			f.warnOnce(fmt.Sprintf("%s is not used: %v", path, err))
			continue
		}
		list = append(list, file)
	}
	return list
}

// askDockerHelper runs a credential helper of docker, once for each registry. Only one that
// is on PATH, and that nobody but the user and root can change, is run.
func (f *Finder) askDockerHelper(ctx context.Context, login config.DockerLogin) (user, password string, err error) {
	key := config.Credential{URL: login.Server, Helper: login.Helper}
	if a, ok := f.found[key]; ok {
		return a.shown.User, a.shown.Password, a.err
	}
	var a answer
	a.shown.User, a.shown.Password, a.err = f.runDockerHelper(ctx, login)
	if ctx.Err() != nil {
		return "", "", ctx.Err()
	}
	if f.found == nil {
		f.found = map[config.Credential]answer{}
	}
	f.found[key] = a
	return a.shown.User, a.shown.Password, a.err
}

func (f *Finder) runDockerHelper(ctx context.Context, login config.DockerLogin) (user, password string, err error) {
	dirs := filepath.SplitList(host.Getenv(f.Environ, "PATH"))
	path := host.FindIn(dirs, "docker-credential-"+login.Helper)
	if path == "" {
		return "", "", errors.New("there is no such command on PATH")
	}
	program, err := host.CheckProgram(path, f.User, f.Own)
	if err != nil {
		return "", "", err
	}
	out, err := f.Ask(ctx, program, "get", strings.TrimSuffix(login.Server, "\n")+"\n", f.Environ)
	if err != nil {
		return "", "", err
	}
	return config.ParseHelperAnswer(out)
}

// warnOnce warns, unless it has said the same before.
func (f *Finder) warnOnce(text string) {
	if f.warned == nil {
		f.warned = map[string]bool{}
	}
	if !f.warned[text] {
		f.warned[text] = true
		f.Warn(text)
	}
}
