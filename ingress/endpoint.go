package ingress

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"syncd/connectors"
)

// endpoint is an Endpoint made ready.
type endpoint struct {
	Endpoint
	digests  [][sha256.Size]byte // of the secrets, and fillers that match nothing
	bucket   *rate.Limiter
	logs     *rate.Limiter
	maxBody  int64
	shakes   bool // a delivery without a body may be a handshake
	refused  int  // status for a bad signature or junk
	publicAt string
}

const (
	// leastDigests: an endpoint with one secret takes as long to compare as one
	// with two, and as one that does not exist.
	leastDigests = 2
	// logsPerSecond bounds what a flood writes into the log, per endpoint.
	logsPerSecond = 1
	logBurst      = 10
)

func newEndpoint(e Endpoint) *endpoint {
	p := &endpoint{
		Endpoint: e,
		bucket:   rate.NewLimiter(endpointRate, endpointBurst),
		logs:     rate.NewLimiter(logsPerSecond, logBurst),
		maxBody:  maxBody,
		refused:  http.StatusUnauthorized,
		publicAt: strings.TrimRight(e.PublicURL, "/"),
	}
	if e.Receiver != nil {
		policy := e.Receiver.Policy()
		if policy.MaxBody > 0 {
			p.maxBody = min(p.maxBody, policy.MaxBody)
		}
		p.shakes = policy.Handshakes
		if policy.RefusedCode != 0 {
			p.refused = policy.RefusedCode
		}
	}
	for _, s := range e.Secrets {
		if s != "" {
			p.digests = append(p.digests, sha256.Sum256([]byte(s)))
		}
	}
	for len(p.digests) < leastDigests {
		var filler [sha256.Size]byte
		rand.Read(filler[:]) // never fails (crypto/rand)
		p.digests = append(p.digests, filler)
	}
	return p
}

// knows compares a path secret with all of the endpoint's in constant time.
func (p *endpoint) knows(secret string) bool {
	given := sha256.Sum256([]byte(secret))
	match := 0
	for i := range p.digests {
		match |= subtle.ConstantTimeCompare(given[:], p.digests[i][:])
	}
	return match == 1
}

// delivery gives what the receiver sees of a request. The URL is made of the
// configured public URL; Host and X-Forwarded-* have no part in it (S2).
func (p *endpoint) delivery(r *http.Request, rest string, body []byte) connectors.Delivery {
	url := p.publicAt + r.URL.EscapedPath()
	if r.URL.RawQuery != "" {
		url += "?" + r.URL.RawQuery
	}
	path := ""
	if rest != "" {
		path = "/" + rest
	}
	return connectors.Delivery{Method: r.Method, URL: url, Path: path, Header: r.Header, Body: body}
}

// known keeps the hints of objects that are configured and counts the others.
func (p *endpoint) known(hints []connectors.Hint) (kept []connectors.Hint, dropped int) {
	for _, h := range hints {
		if _, ok := p.Delay[h.Object]; ok {
			kept = append(kept, h)
		} else {
			dropped++
		}
	}
	return kept, dropped
}

func (p *endpoint) logAllowed(now time.Time) bool { return p.logs.AllowN(now, 1) }
