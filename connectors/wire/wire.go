// Package wire makes one HTTP call to a vendor and says what is known about
// its fate. It never retries: it takes away what lets net/http re-send a write
// by itself (CORRECTNESS 0.1.4), caps answers, refuses redirects, and tells a
// call that never left the machine from one whose outcome is open (F4).
package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// MaxAnswer caps an answer's body in bytes (SECURITY S19).
const MaxAnswer = 10 << 20

// Request is one call.
type Request struct {
	Method string
	URL    string
	Header http.Header
	Body   []byte
	// Timeout bounds the whole call, 0 means DefaultTimeout.
	Timeout time.Duration
}

// DefaultTimeout bounds a call whose Request does not.
const DefaultTimeout = 30 * time.Second

// Response is an answer that arrived whole.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Failure is a call without a whole answer.
type Failure struct {
	// Sent says that request headers may have reached the vendor. False is
	// proof that nothing was written there.
	Sent bool
	Err  error
}

// Error says whether the request left.
func (f *Failure) Error() string {
	if f.Sent {
		return fmt.Sprintf("no answer: %v", f.Err)
	}
	return fmt.Sprintf("not sent: %v", f.Err)
}

// Unwrap gives the network error.
func (f *Failure) Unwrap() error { return f.Err }

// errTooLarge says that an answer passed MaxAnswer.
var errTooLarge = errors.New("answer larger than 10 MiB")

// errKeyWithoutBody: net/http re-sends a call without a body if it has such a
// header, whatever its method (CORRECTNESS 0.1.4).
var errKeyWithoutBody = errors.New("a call with an idempotency key needs a body")

// replayable says that net/http takes the request for one that may be sent twice.
func replayable(req *http.Request) bool {
	for name := range req.Header {
		switch http.CanonicalHeaderKey(name) {
		case "Idempotency-Key", "X-Idempotency-Key":
			return req.Method != http.MethodGet
		}
	}
	return false
}

// Do makes the call. The error is a *Failure. hc should not follow redirects:
// see NewClient.
func Do(ctx context.Context, hc *http.Client, r Request) (Response, error) {
	timeout := r.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		// WroteHeaderField fires before bytes leave, WroteHeaders after: the
		// first of them means that we can no longer prove that nothing left.
		WroteHeaderField: func(string, []string) { sent.Store(true) },
		WroteHeaders:     func() { sent.Store(true) },
	})
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return Response{}, &Failure{Err: err}
	}
	if r.Header != nil {
		req.Header = r.Header.Clone()
	}
	req.GetBody = nil // nothing may replay a body on its own
	if len(r.Body) == 0 && replayable(req) {
		return Response{}, &Failure{Err: errKeyWithoutBody}
	}
	res, err := hc.Do(req)
	if err != nil {
		return Response{}, &Failure{Sent: sent.Load(), Err: err}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, MaxAnswer+1))
	if err == nil && len(body) > MaxAnswer {
		err = errTooLarge
	}
	if err != nil {
		return Response{}, &Failure{Sent: true, Err: err}
	}
	return Response{Status: res.StatusCode, Header: res.Header, Body: body}, nil
}

// NewClient gives a client over a transport that follows no redirects and
// keeps no cookies.
func NewClient(rt http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     rt,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
