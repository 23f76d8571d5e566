package daemon

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"syncd/flows"
	"syncd/store"
)

// status is what /status shows, and the way from a committed webhook to the
// flows that wait for it.
type status struct {
	mu     sync.Mutex
	engine *flows.Engine
	start  string // why the flows have not begun
}

// statusView is the JSON of /status. It is served on loopback only: the words
// of a waiting record are the vendor's own and may quote a value.
type statusView struct {
	Flowing  bool              `json:"flowing"`            // false: the start has not succeeded yet
	Start    string            `json:"start,omitempty"`    // why not
	Troubles map[string]string `json:"troubles,omitempty"` // by system
	Holds    []holdView        `json:"holds,omitempty"`
	Replicas []replicaView     `json:"replicas,omitempty"`
	Rows     []suspension      `json:"suspended,omitempty"` // rows of links that wait: for a column, or for a plan
	Waiting  []waitingView     `json:"waiting,omitempty"`   // at most waitingShown, oldest first
}

type replicaView struct {
	Name      string `json:"name"`
	Version   string `json:"version"`
	ConfigRev string `json:"config_rev"`
}

type holdView struct {
	System string          `json:"system"`
	Link   string          `json:"link,omitempty"`
	What   string          `json:"what"`
	Reason string          `json:"reason"`
	Since  time.Time       `json:"since"`
	Detail json.RawMessage `json:"detail,omitempty"`
}

type waitingView struct {
	Record string     `json:"record"` // system:object:id
	Parked bool       `json:"parked"` // waits for something else than time
	Why    string     `json:"why,omitempty"`
	Since  time.Time  `json:"since"`
	Next   *time.Time `json:"next,omitempty"`
}

// waitingShown bounds the list of waiting records.
const waitingShown = 100

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

// running gives the flows, nil before they have begun.
func (s *status) running() *flows.Engine {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.engine
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

// describe is the whole of /status. What the store cannot tell is left out.
func (d *Daemon) describe() statusView {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	v := d.status.view()
	v.Rows = d.schema.suspended()
	for _, r := range d.replicas(ctx) {
		v.Replicas = append(v.Replicas, replicaView{r.Name, r.Version, r.ConfigRev})
	}
	if holds, err := d.store.Holds(ctx); err == nil {
		for _, h := range holds {
			v.Holds = append(v.Holds, holdView{System: h.System, Link: h.Link, What: h.What, Reason: h.Reason, Since: h.Since, Detail: h.Detail})
		}
	}
	if rows, err := d.store.Waiting(ctx, waitingShown); err == nil {
		for _, w := range rows {
			v.Waiting = append(v.Waiting, waitingOf(w))
		}
	}
	return v
}

func waitingOf(w store.WaitingRow) waitingView {
	v := waitingView{Record: w.System + ":" + w.Object + ":" + w.RecordID, Parked: w.Parked, Why: w.Error, Since: w.FirstHint}
	if !w.Parked {
		v.Next = &w.NotBefore
	}
	return v
}
