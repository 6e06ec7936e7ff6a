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

	"github.com/kist-tools/kist/install/unpack"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// control is the descriptor of the control socket, which the parent set up.
const control = 3

// Serve is the child's work: it does what the parent asks until the socket that
// it inherited closes. Whatever is being written then is given up, so the program
// must end with the code that Serve returns at once.
func Serve() int {
	if err := serve(newestABI); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// A servant is the child's own end.
type servant struct {
	conn *net.UnixConn
	abi  int        // the newest version of Landlock to use
	mu   sync.Mutex // one packet at a time
}

// serve is Serve behind a wall that uses Landlock up to the version abi.
func serve(abi int) error {
	if err := closeInherited(); err != nil {
		return err
	}
	conn, err := net.FileConn(os.NewFile(control, "control"))
	if err != nil {
		return errors.New("this is for kist to start, which unpacks archives by it")
	}
	s := &servant{conn: conn.(*net.UnixConn), abi: abi}
	q, with, err := s.next()
	if err != nil {
		return err
	}
	switch q.Ask {
	case askHash:
		return s.hash(q, with)
	case askFill:
		return s.fill(q, with)
	}
	return fmt.Errorf("asked to %q first", q.Ask)
}

// next is the next request, with the descriptor that came beside it. io.EOF is
// the end of the parent.
func (s *servant) next() (q request, with *os.File, err error) {
	packet, beside := make([]byte, maxPacket+1), make([]byte, unix.CmsgSpace(4))
	n, m, _, _, err := s.conn.ReadMsgUnix(packet, beside)
	if err != nil {
		return q, nil, err
	}
	if n == 0 {
		return q, nil, io.EOF
	}
	if m > 0 {
		messages, err := unix.ParseSocketControlMessage(beside[:m])
		if err != nil {
			return q, nil, err
		}
		fds, err := unix.ParseUnixRights(&messages[0])
		if err != nil {
			return q, nil, err
		}
		with = os.NewFile(uintptr(fds[0]), "what it is asked about")
	}
	return q, with, json.Unmarshal(packet[:n], &q)
}

func (s *servant) say(a answer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.conn.Write(encode(a))
	return err
}

// hash hashes the zip, with no right to any directory.
func (s *servant) hash(q request, zip *os.File) error {
	level, err := wallIn(unpack.Limits{Memory: hashMemory}, false, s.abi)
	if err != nil {
		return err
	}
	if err := s.say(answer{Say: sayLevel, Level: &level}); err != nil {
		return err
	}
	go func() {
		h1, err := verify.HashZip(q.Name, &watched{ctx: context.Background(), file: zip, tell: s.progress(q)}, q.Size)
		s.say(answer{Say: sayDone, ID: q.ID, Hash: h1, Err: failure(err)})
	}()
	_, _, err = s.next() // the parent's end
	return ended(err)
}

// hashMemory is room for the directory of a zip whose content is hashed.
const hashMemory = 256 << 20

func ended(err error) error {
	if err == io.EOF || err == nil {
		return nil
	}
	return err
}

// fill begins a prefix in dir, and does to it what the parent asks.
func (s *servant) fill(q request, dir *os.File) error {
	if q.Limits == nil || dir == nil {
		return errors.New("asked to fill nothing")
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
	level, err := wallIn(*q.Limits, true, s.abi)
	if err != nil {
		return err
	}
	if err := s.say(answer{Say: sayLevel, Level: &level}); err != nil {
		return err
	}
	limits := *q.Limits
	prefix := unpack.New(root, limits)
	var origins []origin // of what was claimed before, and of the archives
	for {
		q, with, err := s.next()
		if err != nil {
			return ended(err)
		}
		if with == nil {
			return fmt.Errorf("asked to %q nothing", q.Ask)
		}
		switch q.Ask {
		case askResume:
			var text []string
			var before *claims
			// It is the parent that sends them, out of its own memory: no ceiling.
			if text, err = takeClaims(with, math.MaxInt64); err == nil {
				before, err = readClaims(text, nil, true, limits.Entries)
			}
			if err == nil {
				prefix = unpack.Resume(root, limits, before.all)
				origins = originsOf(before.all)
			}
			err = errors.Join(err, with.Close(), s.say(answer{Say: sayDone, ID: q.ID, Err: failure(err)}))
		case askAdd, askStream, askWrite:
			origins = append(origins, make([]origin, max(0, q.From+1-len(origins)))...)
			origins[q.From] = origin{q.Name, q.Component}
			go s.add(prefix, q, with)
		case askClaims:
			var claims []unpack.Claim
			if claims, err = prefix.Claims(); err == nil {
				err = writeClaims(with, claims, origins)
			}
			with.Close()
			err = s.say(answer{Say: sayDone, ID: q.ID, Err: failure(err)})
		default:
			err = fmt.Errorf("asked to %q", q.Ask)
		}
		if err != nil {
			return err
		}
	}
}

// add does one addition, and says how it went.
func (s *servant) add(prefix *unpack.Prefix, q request, with *os.File) {
	a := q.archive()
	a.Progress = s.progress(q)
	var err error
	switch q.Ask {
	case askAdd:
		err = prefix.Add(context.Background(), with, a)
	case askStream:
		err = prefix.AddStream(context.Background(), with, q.Size, a)
	case askWrite:
		f := manifests.File{Path: q.Path, Link: q.Link, Exec: q.Exec}
		f.Data, err = io.ReadAll(io.LimitReader(with, q.Size+1))
		if err == nil && int64(len(f.Data)) != q.Size {
			err = io.ErrUnexpectedEOF
		}
		if err == nil {
			err = prefix.Write(context.Background(), q.Name, f)
		}
	}
	with.Close()
	s.say(answer{Say: sayDone, ID: q.ID, Err: failure(err)})
}

// progress returns what says how far q is, now and then.
func (s *servant) progress(q request) func(int64) {
	const often = 4 << 20 // bytes: several times a second, even of xz
	told := int64(0)
	return func(done int64) {
		if done = min(done, q.Size); done-told >= often || done == q.Size && told < done {
			told = done
			s.say(answer{Say: sayProgress, ID: q.ID, Done: done})
		}
	}
}
