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
	wg sync.WaitGroup
}

// Go runs one delivery in the background.
func (o *Outbox) Go(deliver func()) { o.wg.Go(deliver) }

// Wait returns when no delivery is under way, or false after the timeout.
func (o *Outbox) Wait(timeout time.Duration) bool {
	done := make(chan struct{})
	go func() { o.wg.Wait(); close(done) }()
	select {
	case <-done:
		return true
	case <-time.After(timeout):
		return false
	}
}
