package ingress

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"mime"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"syncd/connectors"
	"syncd/store"
)

// causeWebhook is the cause of a hint from here that does not tell of an end (store.Hint).
const causeWebhook = "webhook"

// answer is what became of a delivery: its status, and its label in metrics.
type answer struct {
	code   int
	result string
	err    error  // for the log; nil where there is nothing to say
	reply  string // what the vendor wants back in a handshake
}

// deliver handles one POST.
func (s *Server) deliver(c echo.Context) error {
	start := s.opts.Now()
	r := c.Request()
	p, ok := s.endpoints[c.Param("system")]
	if !ok {
		p = s.nobody
	}
	if !p.knows(c.Param("secret")) || !ok {
		c.Response().WriteHeader(http.StatusNotFound)
		return nil
	}
	a := s.receive(c.Response(), r, p, c.Param("*"), start)
	s.metrics.deliveries.WithLabelValues(p.System, a.result).Inc()
	if a.result != resultAccepted && p.logAllowed(start) {
		s.opts.Logger.Warn("webhook not taken as it came", "system", p.System, "result", a.result, "code", a.code, "error", a.err)
	}
	if a.reply == "" {
		c.Response().WriteHeader(a.code)
	} else {
		sendBack(c.Response(), a)
	}
	s.metrics.ack.WithLabelValues(p.System).Observe(s.opts.Now().Sub(start).Seconds())
	return nil
}

// replyPattern is what may be sent back: nothing that means anything in a page (S26).
var replyPattern = regexp.MustCompile(`^[A-Za-z0-9_.:+/=~-]{1,512}$`)

// sendBack answers a handshake with the vendor's own word.
func sendBack(w http.ResponseWriter, a answer) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(a.code)
	_, _ = io.WriteString(w, a.reply)
}

// receive takes a delivery from its headers to the commit of its hints.
func (s *Server) receive(w http.ResponseWriter, r *http.Request, p *endpoint, rest string, now time.Time) answer {
	if !isPlainJSON(r.Header) && !(p.shakes && r.ContentLength == 0 && r.Header.Get("Content-Encoding") == "") {
		return answer{code: http.StatusUnsupportedMediaType, result: resultMedia}
	}
	if !s.all.AllowN(now, 1) {
		return answer{code: http.StatusServiceUnavailable, result: resultOverload}
	}
	if r.ContentLength > p.maxBody {
		return answer{code: http.StatusRequestEntityTooLarge, result: resultTooLarge}
	}
	release, ok := s.reserve(r.ContentLength, p.maxBody)
	if !ok {
		return answer{code: http.StatusServiceUnavailable, result: resultOverload}
	}
	defer release()
	body, bad := readBody(w, r, p.maxBody)
	if bad != nil {
		return *bad
	}
	d := p.delivery(r, rest, body)
	if err := p.Receiver.Verify(d, now); err != nil {
		return p.refusal(err, connectors.RefusedSignature)
	}
	if !p.bucket.AllowN(now, 1) {
		return answer{code: http.StatusServiceUnavailable, result: resultOverload}
	}
	if !isShallow(body) {
		return answer{code: p.refused, result: connectors.RefusedMalformed}
	}
	events, err := p.Receiver.Parse(d)
	if err != nil {
		return p.refusal(err, connectors.RefusedMalformed)
	}
	if events.Reply != "" {
		if !replyPattern.MatchString(events.Reply) || len(events.Hints) > 0 {
			return answer{code: p.refused, result: connectors.RefusedMalformed}
		}
		return answer{code: http.StatusOK, result: resultAccepted, reply: events.Reply}
	}
	if len(events.Hints) > maxElements {
		return answer{code: p.refused, result: connectors.RefusedMalformed}
	}
	return s.commit(p, events, body, now)
}

// refusal turns a receiver's error into an answer. Its detail is the
// receiver's and may quote the delivery, so it goes nowhere.
func (p *endpoint) refusal(err error, reason string) answer {
	var refused *connectors.Refusal
	if errors.As(err, &refused) && isResult(refused.Reason) {
		reason = refused.Reason
	}
	return answer{code: p.refused, result: reason}
}

// commit stores the hints of a delivery and waits for it.
func (s *Server) commit(p *endpoint, events connectors.Events, body []byte, now time.Time) answer {
	hints, dropped := p.known(events.Hints)
	receipt := p.receipt(events, hints, body, s.opts.TraceID())
	if err := s.commits.submit(receipt); err != nil {
		result := resultStoreDown
		if errors.Is(err, errBacklog) {
			result = resultOverload
		}
		return answer{code: http.StatusServiceUnavailable, result: result, err: err}
	}
	s.opts.Wake(p.System)
	s.metrics.accepted(p.System, receipt.Hints, dropped, now)
	if len(hints) == 0 && dropped > 0 {
		return answer{code: http.StatusOK, result: resultUnknownObject}
	}
	return answer{code: http.StatusOK, result: resultAccepted}
}

// receipt makes the row of the inbox. A delivery that says nothing has one too:
// it is evidence that the vendor is alive.
func (p *endpoint) receipt(events connectors.Events, hints []connectors.Hint, body []byte, trace string) store.Receipt {
	key := events.Key
	if key == "" {
		sum := sha256.Sum256(body)
		key = hex.EncodeToString(sum[:])
	}
	receipt := store.Receipt{System: p.System, DeliveryKey: key, Events: len(events.Hints)}
	for _, h := range hints {
		cause := causeWebhook
		if h.Removed {
			cause = store.CauseDeletion
		}
		receipt.Hints = append(receipt.Hints, store.Hint{
			System: p.System, Object: h.Object, RecordID: h.RecordID,
			Lane: store.LaneLive, Version: h.Version, Delay: p.Delay[h.Object],
			Cause: cause, DeliveryKey: key, Trace: trace,
			Own: h.Own && p.TrustOwnMark, Erased: h.Erased,
		})
	}
	return receipt
}

// isPlainJSON looks at the headers only: JSON of any kind, in UTF-8, not
// compressed.
func isPlainJSON(h http.Header) bool {
	for _, encoding := range h.Values("Content-Encoding") {
		if !strings.EqualFold(strings.TrimSpace(encoding), "identity") {
			return false
		}
	}
	types := h.Values("Content-Type")
	if len(types) != 1 {
		return false
	}
	media, params, err := mime.ParseMediaType(types[0])
	if err != nil {
		return false
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return false
	}
	return media == "application/json" || media == "text/json" ||
		strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json")
}

// reserve keeps the sum of all bodies in memory below maxBodyBytes.
func (s *Server) reserve(length, most int64) (release func(), ok bool) {
	n := length
	if n < 0 {
		n = most
	}
	if s.held.Add(n) > maxBodyBytes {
		s.held.Add(-n)
		return nil, false
	}
	return func() { s.held.Add(-n) }, true
}

// readBody reads at most so many bytes; Content-Length is not trusted.
func readBody(w http.ResponseWriter, r *http.Request, most int64) ([]byte, *answer) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err == nil {
		return body, nil
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, &answer{code: http.StatusRequestEntityTooLarge, result: resultTooLarge}
	}
	// A body that broke off. Whoever still listens may send it again: 503 is the
	// one refusal that no vendor takes for the last word (vendors/README.md 8).
	w.Header().Set("Connection", "close")
	return nil, &answer{code: http.StatusServiceUnavailable, result: connectors.RefusedMalformed}
}

// isShallow bounds depth and elements of a JSON text before anything parses
// it. It need not know whether the text is valid.
func isShallow(body []byte) bool {
	depth, elements, inText := 0, 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
		case inText:
		case c == '{' || c == '[':
			depth++
			elements++
		case c == '}' || c == ']':
			depth--
		case c == ',':
			elements++
		}
		if depth > maxDepth || elements > maxElements {
			return false
		}
	}
	return true
}
