package config_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests/config"
)

func TestDocker(t *testing.T) {
	auth := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	file := fmt.Sprintf(`{"auths": {
		"registry.example": {"auth": %q}, "https://Old.example/v1/": {"auth": %q}, "plain.example:5000": {"username": "u", "password": "p"},
		"registry.example/team": {"auth": %q}, "token.example": {"auth": %q, "identitytoken": "x"}, "broken.example": {"auth": "!"}, "empty.example": {},
		"newline.example": {"auth": %q}},
		"credHelpers": {"helped.example": "cloud"}, "credsStore": "desktop", "HttpHeaders": {"x": "y"}}`,
		auth("joe:a:b"), auth("old:o"), auth("team:t"), auth("x:"), auth("a:b\nc"))
	d, err := config.ParseDocker([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{ // user:password, a helper, or an error
		"registry.example/tools":    "joe:a:b",
		"registry.example/team":     "team:t",
		"registry.example/team/x":   "team:t",
		"registry.example/teams":    "joe:a:b",
		"old.example/x":             "old:o",
		"plain.example:5000/x":      "u:p",
		"plain.example/x":           "desktop plain.example",
		"helped.example/x":          "cloud helped.example",
		"empty.example/x":           "desktop empty.example",
		"other.example/x":           "desktop other.example",
		"token.example/x":           "identity token",
		"broken.example/x":          "not base64",
		"newline.example/x":         "HTTP does not allow",
		"sub.registry.example/team": "desktop sub.registry.example",
	} {
		host, repository, _ := strings.Cut(name, "/")
		login, ok, err := d.For(host, repository)
		got := login.User + ":" + login.Password
		if login.Helper != "" {
			got = login.Helper + " " + login.Server
		}
		if err != nil {
			got = err.Error()
		}
		if ok == (err != nil) || got != want && (err == nil || !strings.Contains(got, want)) {
			t.Errorf("%s: %q, %v; want %q", name, got, ok, want)
		}
	}
	none, err := config.ParseDocker([]byte(`{}`))
	if _, ok, failed := none.For("registry.example", "x"); ok || err != nil || failed != nil {
		t.Errorf("an empty file: %v, %v, %v", ok, err, failed)
	}
	for name, text := range map[string]string{
		"no JSON": "x", "a list": "[]", "a path as helper": `{"credsStore": "../../bin/x"}`, "an empty helper": `{"credHelpers": {"a": ""}}`,
		"too long": strings.Repeat(" ", config.MaxDockerFile+1),
	} {
		if _, err := config.ParseDocker([]byte(text)); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestHelperAnswer(t *testing.T) {
	user, password, err := config.ParseHelperAnswer([]byte(`{"ServerURL":"x","Username":"joe","Secret":"s"}` + "\n"))
	if user != "joe" || password != "s" || err != nil {
		t.Errorf("%q, %q, %v", user, password, err)
	}
	for _, text := range []string{"", "credentials not found", `{"Username":"joe"}`, `{"Username":"<token>","Secret":"s3cr3t"}`, `{"Username":"a:b","Secret":"s3cr3t"}`, `{"Username":"a","Secret":"s3cr3t\n"}`} {
		if _, _, err := config.ParseHelperAnswer([]byte(text)); err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzDocker(f *testing.F) {
	f.Add([]byte(`{"auths":{"a.example/x":{"auth":"am9lOng="}},"credHelpers":{"b.example":"c"},"credsStore":"d"}`), "a.example", "x/y")
	f.Fuzz(func(t *testing.T, data []byte, host, repository string) {
		config.ParseHelperAnswer(data)
		d, err := config.ParseDocker(data)
		if err != nil {
			return
		}
		login, ok, err := d.For(host, repository)
		if ok && (err != nil || strings.ContainsAny(login.Helper+login.User, "/:\n") || strings.Contains(login.Password, "\n")) {
			t.Errorf("%+v, %v", login, err)
		}
	})
}
