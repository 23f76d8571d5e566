package simulator

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"
	"time"
)

// Post is one webhook request on its way to syncd.
type Post struct {
	URL    string
	Header http.Header
	Body   []byte
}

// Send posts it once and gives the status, 0 if there was no answer.
func (p Post) Send(ctx context.Context, hc *http.Client) int {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL, bytes.NewReader(p.Body))
	if err != nil {
		return 0
	}
	req.Header = p.Header.Clone()
	res, err := hc.Do(req)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

// Outbox counts the webhook requests of a vendor that are under way, so that
// a test can wait until all that was said has been heard.
type Outbox struct {
	mu    sync.Mutex
	open  int
	empty chan struct{} // closed when open falls to 0; nil while it is 0
}

// Go runs one delivery in the background.
func (o *Outbox) Go(deliver func()) {
	o.mu.Lock()
	if o.open++; o.open == 1 {
		o.empty = make(chan struct{})
	}
	o.mu.Unlock()
	go func() {
		defer o.ended()
		deliver()
	}()
}

func (o *Outbox) ended() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.open--; o.open == 0 {
		close(o.empty)
		o.empty = nil
	}
}

// Wait returns true as soon as no delivery is under way, false after the timeout.
func (o *Outbox) Wait(timeout time.Duration) bool {
	o.mu.Lock()
	empty := o.empty
	o.mu.Unlock()
	if empty == nil {
		return true
	}
	select {
	case <-empty:
		return true
	case <-time.After(timeout):
		return false
	}
}
