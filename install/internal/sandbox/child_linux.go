package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// control is the descriptor of the control socket, which the child inherits.
const control = 3

// Serve does the child's work: it serves the parent's requests until the control
// socket closes. The program must then exit at once with the code that Serve returns,
// which abandons any writes in progress.
func Serve() int {
	if err := serve(newestABI); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// A server answers the parent's requests, in the child.
type server struct {
	conn *net.UnixConn
	abi  int        // the newest version of Landlock to use
	mu   sync.Mutex // one packet at a time
}

// serve is Serve with Landlock up to the version abi.
func serve(abi int) error {
	if err := closeInherited(); err != nil {
		return err
	}
	conn, err := net.FileConn(os.NewFile(control, "control"))
	if err != nil {
		return errors.New("this is an internal command, which kist starts to unpack archives")
	}
	s := &server{conn: conn.(*net.UnixConn), abi: abi}
	q, file, err := s.next()
	if err != nil {
		return err
	}
	switch q.Ask {
	case askHash:
		return s.hash(q, file)
	case askFill:
		return s.fill(q, file)
	}
	return fmt.Errorf("the first request is %q", q.Ask)
}

// next reads the next request and the descriptor that was sent with it. The error is
// io.EOF when the parent has closed the socket.
func (s *server) next() (q request, file *os.File, err error) {
	packet, oob := make([]byte, maxPacket+1), make([]byte, unix.CmsgSpace(4))
	n, m, _, _, err := s.conn.ReadMsgUnix(packet, oob)
	if err != nil {
		return q, nil, err
	}
	if n == 0 {
		return q, nil, io.EOF
	}
	if m > 0 {
		messages, err := unix.ParseSocketControlMessage(oob[:m])
		if err != nil {
			return q, nil, err
		}
		fds, err := unix.ParseUnixRights(&messages[0])
		if err != nil {
			return q, nil, err
		}
		file = os.NewFile(uintptr(fds[0]), "the file of the request")
	}
	return q, file, json.Unmarshal(packet[:n], &q)
}

func (s *server) send(a answer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.conn.Write(encode(a))
	return err
}

// hash hashes the zip, without access to any directory.
func (s *server) hash(q request, zip *os.File) error {
	level, err := confine(unpack.Limits{Memory: hashMemory}, false, s.abi)
	if err != nil {
		return err
	}
	if err := s.send(answer{Say: sayLevel, Level: &level}); err != nil {
		return err
	}
	go func() {
		h1, err := verify.HashZip(q.Name, &progressReader{ctx: context.Background(), file: zip, progress: s.progress(q)}, q.Size)
		s.send(answer{Say: sayDone, ID: q.ID, Hash: h1, Err: toWire(err)})
	}()
	_, _, err = s.next() // until the parent closes the socket
	return ignoreEOF(err)
}

// hashMemory is the memory limit in bytes for hashing a zip. The zip's directory takes
// most of it.
const hashMemory = 256 << 20

func ignoreEOF(err error) error {
	if err == io.EOF || err == nil {
		return nil
	}
	return err
}

// fill begins a prefix in dir, and serves the parent's requests for it.
func (s *server) fill(q request, dir *os.File) error {
	if q.Limits == nil || dir == nil {
		return errors.New("a fill request without limits or a directory")
	}
	if err := dir.Chdir(); err != nil {
		return err
	}
	root, err := os.OpenRoot(".")
	if err != nil {
		return err
	}
	if err := dir.Close(); err != nil {
		return err
	}
	level, err := confine(*q.Limits, true, s.abi)
	if err != nil {
		return err
	}
	if err := s.send(answer{Say: sayLevel, Level: &level}); err != nil {
		return err
	}
	limits := *q.Limits
	prefix := unpack.New(root, limits)
	var archives []archiveID // of the earlier claims, then of the requests
	for {
		q, file, err := s.next()
		if err != nil {
			return ignoreEOF(err)
		}
		if file == nil {
			return fmt.Errorf("a %q request without a descriptor", q.Ask)
		}
		switch q.Ask {
		case askResume:
			var text []string
			var earlier *claims
			// The parent sends these from its own memory, so that they need no ceiling.
			if text, err = receiveClaims(file, math.MaxInt64); err == nil {
				earlier, err = parseClaims(text, nil, true, limits.Entries)
			}
			if err == nil {
				prefix = unpack.Resume(root, limits, earlier.all)
				archives = archivesOf(earlier.all)
			}
			err = errors.Join(err, file.Close(), s.send(answer{Say: sayDone, ID: q.ID, Err: toWire(err)}))
		case askAdd, askStream, askWrite:
			archives = append(archives, make([]archiveID, max(0, q.From+1-len(archives)))...)
			archives[q.From] = archiveID{q.Name, q.Component}
			go s.add(prefix, q, file)
		case askClaims:
			var claims []unpack.Claim
			if claims, err = prefix.Claims(); err == nil {
				err = writeClaims(file, claims, archives)
			}
			file.Close()
			err = s.send(answer{Say: sayDone, ID: q.ID, Err: toWire(err)})
		default:
			err = fmt.Errorf("an unknown request %q", q.Ask)
		}
		if err != nil {
			return err
		}
	}
}

// add serves one request to add something to prefix.
func (s *server) add(prefix *unpack.Prefix, q request, file *os.File) {
	a := q.archive()
	a.Progress = s.progress(q)
	var err error
	switch q.Ask {
	case askAdd:
		err = prefix.Add(context.Background(), file, a)
	case askStream:
		err = prefix.AddStream(context.Background(), file, q.Size, a)
	case askWrite:
		f := manifests.File{Path: q.Path, Link: q.Link, Exec: q.Exec}
		f.Data, err = io.ReadAll(io.LimitReader(file, q.Size+1))
		if err == nil && int64(len(f.Data)) != q.Size {
			err = io.ErrUnexpectedEOF
		}
		if err == nil {
			err = prefix.AddFile(context.Background(), q.Name, f)
		}
	}
	file.Close()
	s.send(answer{Say: sayDone, ID: q.ID, Err: toWire(err)})
}

// progress returns a function that reports the progress of q to the parent, in steps.
func (s *server) progress(q request) func(int64) {
	const step = 4 << 20 // bytes; several steps a second, even with xz
	sent := int64(0)
	return func(done int64) {
		if done = min(done, q.Size); done-sent >= step || done == q.Size && sent < done {
			sent = done
			s.send(answer{Say: sayProgress, ID: q.ID, Done: done})
		}
	}
}
