//go:build unix

package main

import (
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// scriptServers is the key of a script's servers, by variable.
const scriptServers = "servers"

// served is a directory, and how a server of scripts answers with it.
type served struct {
	dir   string
	asked string // a file that is made once somebody waits
	sent  string // "etags" adds the path of each file that it sends as a whole to this file
	files http.Handler

	mu    sync.Mutex
	times map[string]int // by path: how often it was asked for
}

// time returns how often a path was requested, including this time.
func (s *served) time(r *http.Request) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times[r.URL.Path]++
	return s.times[r.URL.Path]
}

// read returns the file that r asks for, or nil if it does not exist.
func (s *served) read(r *http.Request) []byte {
	data, err := os.ReadFile(filepath.Join(s.dir, filepath.FromSlash(r.URL.Path)))
	if err != nil {
		return nil
	}
	return data
}

const scriptPage = "<!doctype html><title>Sign in</title>"

// scriptManners are the ways in which a server can answer.
var scriptManners = map[string]func(s *served, w http.ResponseWriter, r *http.Request){
	"": func(s *served, w http.ResponseWriter, r *http.Request) { s.files.ServeHTTP(w, r) },
	// login: only those that show the user joe and the password s3cr3t, or the token t0k3n, get anything.
	"login": func(s *served, w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if (user != "joe" || password != "s3cr3t") && r.Header.Get("Authorization") != "Bearer t0k3n" {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		s.files.ServeHTTP(w, r)
	},
	// forbidden: everything is.
	"forbidden": func(_ *served, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) },
	// etags: files have entity tags, and are sent only to those who lack them.
	"etags": func(s *served, w http.ResponseWriter, r *http.Request) {
		data := s.read(r)
		tag := strconv.Quote(fmt.Sprintf("%x", sha256.Sum256(data)))
		if data != nil {
			w.Header().Set("ETag", tag)
		}
		if data != nil && r.Header.Get("If-None-Match") != tag {
			if f, err := os.OpenFile(s.sent, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644); err == nil {
				io.WriteString(f, r.URL.Path+"\n")
				f.Close()
			}
		}
		s.files.ServeHTTP(w, r)
	},
	// stall: an artifact stops half way.
	"stall": func(s *served, w http.ResponseWriter, r *http.Request) {
		data := s.read(r)
		if !strings.Contains(r.URL.Path, "/blobs/") || data == nil {
			s.files.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		w.Write(data[:len(data)/2])
		w.(http.Flusher).Flush()
		os.WriteFile(s.asked, nil, 0o644)
		<-r.Context().Done()
	},
	// chatty: the server goes on talking after it has sent an artifact.
	"chatty": func(s *served, w http.ResponseWriter, r *http.Request) {
		s.files.ServeHTTP(w, r)
		if !strings.Contains(r.URL.Path, "/blobs/") {
			return
		}
		w.(http.Flusher).Flush()
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		time.Sleep(2 * time.Millisecond)
		io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
		time.Sleep(10 * time.Millisecond)
		conn.Close()
	},
	// silent: it never answers.
	"silent": func(s *served, _ http.ResponseWriter, r *http.Request) {
		os.WriteFile(s.asked, nil, 0o644)
		<-r.Context().Done()
	},
	// rude: its status and its headers hold what forges lines.
	"rude": func(_ *served, w http.ResponseWriter, r *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		const lines = "\u2028error: forged\u2029hint: forged\x1b[1A\x1b[2K\tx"
		if strings.Contains(r.URL.Path, "/moved/") {
			io.WriteString(conn, "HTTP/1.1 302 Found"+lines+"\r\nLocation: gopher://x/"+lines+"\r\nContent-Length: 0\r\n\r\n")
			return
		}
		io.WriteString(conn, "HTTP/1.1 418 teapot"+lines+"\r\nContent-Length: 0\r\n\r\n")
	},
	// page: what is not there is a web page.
	"page": func(s *served, w http.ResponseWriter, r *http.Request) {
		if s.read(r) != nil {
			s.files.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, scriptPage)
	},
	// portal: everything is a web page.
	"portal": func(s *served, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, scriptPage)
	},
	// labelled: archives come as they are, and are called encoded.
	"labelled": func(s *served, w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/blobs/") {
			w.Header().Set("Content-Encoding", "gzip")
		}
		s.files.ServeHTTP(w, r)
	},
	// compressing: archives are compressed once more.
	"compressing": func(s *served, w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/blobs/") {
			scriptCompress(s, w, r)
			return
		}
		s.files.ServeHTTP(w, r)
	},
	// compressing-all: everything is.
	"compressing-all": scriptCompress,
	// limiting: each file is to be had at the second request, one second later.
	"limiting": func(s *served, w http.ResponseWriter, r *http.Request) {
		if s.time(r) == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		s.files.ServeHTTP(w, r)
	},
	// closed: come back in an hour.
	"closed": func(s *served, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "3780")
		w.WriteHeader(http.StatusServiceUnavailable)
	},
	// breaking: each file breaks off at the first request.
	"breaking": func(s *served, w http.ResponseWriter, r *http.Request) {
		data := s.read(r)
		if data == nil || s.time(r) > 1 {
			s.files.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		w.Write(data[:len(data)/2])
	},
}

func scriptCompress(s *served, w http.ResponseWriter, r *http.Request) {
	data := s.read(r)
	if data == nil {
		http.NotFound(w, r)
		return
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(data)
	z.Close()
	w.Header().Set("Content-Encoding", "gzip")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.Write(b.Bytes())
}

func scriptServe(ts *testscript.TestScript, neg bool, args []string) {
	scriptNeeds(ts, neg, args, 2, 3, "serve VAR DIR [tls|forged|moved=URL|HOW]")
	how := append(args, "")[2]
	answer := scriptManners[how]
	if place, moved := strings.CutPrefix(how, "moved="); moved {
		answer = func(_ *served, w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, place+r.URL.Path, http.StatusFound)
		}
	}
	if how == "tls" || how == "forged" {
		answer = scriptManners[""]
	}
	if answer == nil {
		ts.Fatalf("no manner %s: tls, forged, %s", how, strings.Join(slices.Sorted(maps.Keys(scriptManners)), ", "))
	}
	dir := ts.MkAbs(args[1])
	content := &served{dir: dir, asked: ts.MkAbs("asked"), sent: ts.MkAbs(args[0] + ".sent"), files: http.FileServer(http.Dir(dir)), times: map[string]int{}}
	// What was asked for since the script last removed it, one path a line; and what was
	// shown to be let in.
	count, shown := ts.MkAbs(args[0]+".requests"), ts.MkAbs(args[0]+".shown")
	note := func(file, line string) {
		if f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644); err == nil {
			io.WriteString(f, line+"\n")
			f.Close()
		}
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		note(count, r.URL.Path)
		if a := r.Header.Get("Authorization"); a != "" {
			note(shown, a)
		}
		answer(content, w, r)
	})
	var s *httptest.Server
	switch how {
	case "forged": // a certificate of its own making, with line breaks in a name
		s = httptest.NewUnstartedServer(handler)
		s.TLS = &tls.Config{Certificates: []tls.Certificate{forgedCertificate(ts)}}
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.StartTLS()
		s.URL = strings.Replace(s.URL, "127.0.0.1", "localhost", 1) // Go lists the names of certificates to none but names
	case "tls":
		s = httptest.NewTLSServer(handler)
		ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
		scriptWrite(ts, "ca.pem", ca)
	default:
		s = httptest.NewServer(handler)
	}
	ts.Setenv(args[0], s.URL)
	ts.Value(scriptServers).(map[string]*httptest.Server)[args[0]] = s
	ts.Defer(s.Close)
}

// forgedCertificate is a self-signed certificate whose names hold lines such as kist
// writes.
func forgedCertificate(ts *testscript.TestScript) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"a.example\nNothing was changed.\nhint: forged\n\x1b[2J", "b.example"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	ts.Check(err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func scriptClose(ts *testscript.TestScript, neg bool, args []string) {
	scriptNeeds(ts, neg, args, 1, 1, "close VAR")
	s := ts.Value(scriptServers).(map[string]*httptest.Server)[args[0]]
	if s == nil {
		ts.Fatalf("nothing is served under %s", args[0])
	}
	s.CloseClientConnections()
	s.Close()
}
