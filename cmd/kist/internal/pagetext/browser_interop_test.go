//go:build interop

package pagetext_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// A browser is a headless Chromium with one tab, controlled by the DevTools protocol over
// a pair of pipes. Source: Chromium, --remote-debugging-pipe: messages of JSON, each
// ended by a NUL; descriptor 3 is read, and 4 is written.
type browser struct {
	*testing.T
	out      *os.File
	messages chan message
	session  string
	last     int
	reports  []string // of the console: errors, violations of the policy
}

type message struct {
	ID     int             `json:"id,omitempty"`
	Method string          `json:"method,omitempty"`
	Params json.RawMessage `json:"params,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  json.RawMessage `json:"error,omitempty"`
}

func startBrowser(t *testing.T) *browser {
	t.Helper()
	read, out, err := os.Pipe()
	in, write, err2 := os.Pipe()
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	cmd := exec.Command("chromium-headless-shell", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
		"--no-first-run", "--user-data-dir="+t.TempDir(), "--remote-debugging-pipe")
	cmd.ExtraFiles = []*os.File{read, write}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read.Close()
	write.Close()
	b := &browser{T: t, out: out, messages: make(chan message, 1000)}
	t.Cleanup(func() {
		b.call("Browser.close", nil)
		out.Close()
		cmd.Wait()
		in.Close()
	})
	go func() {
		defer close(b.messages)
		for r := bufio.NewReader(in); ; {
			text, err := r.ReadBytes(0)
			if err != nil {
				return
			}
			var m message
			if json.Unmarshal(text[:len(text)-1], &m) == nil {
				b.messages <- m
			}
		}
	}()
	var target struct{ TargetID string }
	b.get(&target, "Target.createTarget", map[string]any{"url": "about:blank"})
	var attached struct{ SessionID string }
	b.get(&attached, "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true})
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		b.call(domain+".enable", nil)
	}
	return b
}

// next returns the next message, and keeps what it says about the console.
func (b *browser) next() message {
	b.Helper()
	select {
	case m, ok := <-b.messages:
		if !ok {
			b.Fatal("the browser ended")
		}
		if m.Method == "Log.entryAdded" || m.Method == "Runtime.consoleAPICalled" || m.Method == "Runtime.exceptionThrown" {
			b.reports = append(b.reports, string(m.Params))
		}
		return m
	case <-time.After(2 * time.Minute):
		b.Fatal("the browser does not answer")
	}
	return message{}
}

func (b *browser) call(method string, params any) json.RawMessage {
	b.Helper()
	b.last++
	text, err := json.Marshal(map[string]any{"id": b.last, "method": method, "params": params, "sessionId": b.session})
	if params == nil {
		text, err = json.Marshal(map[string]any{"id": b.last, "method": method, "sessionId": b.session})
	}
	if b.session == "" || method == "Browser.close" {
		text = []byte(strings.Replace(string(text), `,"sessionId":"`+b.session+`"`, "", 1))
	}
	if err != nil {
		b.Fatal(err)
	}
	if _, err := b.out.Write(append(text, 0)); err != nil {
		b.Fatal(err)
	}
	for {
		m := b.next()
		if m.ID != b.last {
			continue
		}
		if m.Error != nil {
			b.Fatalf("%s: %s", method, m.Error)
		}
		return m.Result
	}
}

func (b *browser) get(result any, method string, params any) {
	b.Helper()
	if err := json.Unmarshal(b.call(method, params), result); err != nil {
		b.Fatal(err)
	}
}

// load opens a page and waits until it is loaded.
func (b *browser) load(url string) {
	b.Helper()
	b.reports = nil
	b.call("Page.navigate", map[string]any{"url": url})
	for deadline := time.Now().Add(time.Minute); ; {
		if b.eval("document.readyState === 'complete' && location.href !== 'about:blank'") == true {
			return
		}
		if time.Now().After(deadline) {
			b.Fatalf("%s does not load", url)
		}
	}
}

// eval returns the value of an expression, which may be a promise.
func (b *browser) eval(expression string) any {
	b.Helper()
	var r struct {
		Result           struct{ Value any }
		ExceptionDetails json.RawMessage
	}
	b.get(&r, "Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true})
	if r.ExceptionDetails != nil {
		b.Fatalf("%.200s: %s", expression, r.ExceptionDetails)
	}
	return r.Result.Value
}

// look sets the width of the window, and the preferred color scheme.
func (b *browser) look(width int, scheme string) {
	b.Helper()
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600})
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}})
}

func (b *browser) scripts(run bool) {
	b.call("Emulation.setScriptExecutionDisabled", map[string]any{"value": !run})
}

// screenshot returns a picture of the whole page.
func (b *browser) screenshot() []byte {
	b.Helper()
	var size struct {
		CSSContentSize struct{ Width, Height float64 }
	}
	b.get(&size, "Page.getLayoutMetrics", nil)
	var picture struct{ Data string }
	b.get(&picture, "Page.captureScreenshot", map[string]any{"captureBeyondViewport": true,
		"clip": map[string]any{"x": 0, "y": 0, "width": size.CSSContentSize.Width, "height": size.CSSContentSize.Height, "scale": 1}})
	data, err := base64.StdEncoding.DecodeString(picture.Data)
	if err != nil {
		b.Fatal(err)
	}
	return data
}

// shown returns the text that the page shows.
func (b *browser) shown() string {
	b.Helper()
	return fmt.Sprint(b.eval("document.body.innerText"))
}
