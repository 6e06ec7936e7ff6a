package install

import (
	"errors"
	"sync"

	"github.com/kist-tools/kist/install/internal/store"
)

// Stages lists the stages that a process fills, so that a signal handler that ends the
// process before its own clean-up can remove them. The zero Stages is empty; a nil
// *Stages lists nothing.
type Stages struct {
	mu   sync.Mutex
	all  []*listedStage
	over bool // Remove was called: new stages are removed at once
}

// A listedStage is a stage with the function that stops its filling.
type listedStage struct {
	mu     sync.Mutex
	revoke func() error
	stop   func() // stops the child that fills the stage; nil if no child runs
	over   bool
}

// Add lists something else to be removed with the stages, by calling remove. It may be
// called at any time, from any goroutine, and also when nothing is left to remove.
func (s *Stages) Add(remove func() error) { s.list(remove) }

// add lists a new stage.
func (s *Stages) add(stage *store.Stage) *listedStage { return s.list(stage.Revoke) }

func (s *Stages) list(revoke func() error) *listedStage {
	if s == nil {
		return nil
	}
	l := &listedStage{revoke: revoke}
	s.mu.Lock()
	s.all = append(s.all, l)
	over := s.over
	s.mu.Unlock()
	if over {
		l.remove() // the process ends anyway, so the error does not matter
	}
	return l
}

// fill sets the function that stops the filling of l.
func (l *listedStage) fill(stop func()) {
	if l == nil {
		return
	}
	l.mu.Lock()
	l.stop = stop
	over := l.over
	l.mu.Unlock()
	if over {
		stop()
	}
}

func (l *listedStage) remove() error {
	l.mu.Lock()
	l.over = true
	stop := l.stop
	l.mu.Unlock()
	if stop != nil {
		stop()
	}
	return l.revoke()
}

// Remove stops the filling of the stages, and removes those that were not published.
// None can be published after that. The process must then end.
func (s *Stages) Remove() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	s.over = true
	all := s.all
	s.mu.Unlock()
	errs := make([]error, len(all))
	var work sync.WaitGroup
	for n, l := range all {
		work.Go(func() { errs[n] = l.remove() })
	}
	work.Wait()
	return errors.Join(errs...)
}
