package install

import (
	"errors"
	"sync"
)

// Stages lists the stages that a process fills, so that a signal handler that ends the
// process before its own clean-up can remove them. The zero Stages is empty; a nil
// *Stages lists nothing.
type Stages struct {
	mu   sync.Mutex
	all  []func() error
	over bool // Remove was called: what is added is removed at once
}

// Add lists a stage, or something else, with the function that removes it, which may be
// called at any time, from any goroutine, and also when nothing is left to remove.
func (s *Stages) Add(remove func() error) {
	if s == nil {
		return
	}
	s.mu.Lock()
	s.all = append(s.all, remove)
	over := s.over
	s.mu.Unlock()
	if over {
		remove() // the process ends anyway, so the error does not matter
	}
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
	for n, remove := range all {
		work.Go(func() { errs[n] = remove() })
	}
	work.Wait()
	return errors.Join(errs...)
}
