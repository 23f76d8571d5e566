package daemon

import (
	"sync"

	"syncd/flows"
)

// status is what /status shows, and the way from a committed webhook to the
// flows that wait for it.
type status struct {
	mu     sync.Mutex
	engine *flows.Engine
	start  string // why the flows have not begun
}

// statusView is the JSON of /status.
type statusView struct {
	Flowing  bool              `json:"flowing"`
	Start    string            `json:"start,omitempty"`
	Troubles map[string]string `json:"troubles,omitempty"`
}

func (s *status) ready(e *flows.Engine) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.engine, s.start = e, ""
}

func (s *status) trouble(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.start = text
}

func (s *status) wake() {
	s.mu.Lock()
	e := s.engine
	s.mu.Unlock()
	if e != nil {
		e.Wake()
	}
}

func (s *status) view() statusView {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := statusView{Flowing: s.engine != nil, Start: s.start}
	if s.engine != nil {
		v.Troubles = s.engine.Troubles()
	}
	return v
}

// Flowing says whether the flows have begun.
func (d *Daemon) Flowing() bool { return d.status.view().Flowing }
