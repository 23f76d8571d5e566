package hubspotsim

import (
	"net/http"
	"strconv"
	"time"
)

// window is a rolling window of calls.
type window struct {
	calls []int64 // times in nanoseconds, oldest first
	head  int
}

// take counts a call unless limit calls were made within span; it gives how
// many are left.
func (w *window) take(now time.Time, span time.Duration, limit int) (left int, ok bool) {
	if limit < 0 {
		return 0, true
	}
	since := now.Add(-span).UnixNano()
	for w.head < len(w.calls) && w.calls[w.head] <= since {
		w.head++
	}
	if w.head > 0 && w.head*2 >= len(w.calls) {
		w.calls = append(w.calls[:0], w.calls[w.head:]...)
		w.head = 0
	}
	used := len(w.calls) - w.head
	if used >= limit {
		return 0, false
	}
	w.calls = append(w.calls, now.UnixNano())
	return limit - used - 1, true
}

// throttle counts a call against its limit (vendors/hubspot.md 7): search has
// one of its own, in a window of a second and without rate headers; everything
// else shares the ten seconds. A refused call does not count.
func (s *Sim) throttle(op string, header http.Header) *trouble {
	if op == opSearch {
		if _, ok := s.searches.take(s.now(), searchInterval, s.o.SearchPerSecond); !ok {
			return s.rateLimited(op)
		}
		return nil
	}
	left, ok := s.burst.take(s.now(), burstInterval, s.o.PerTenSeconds)
	if s.o.PerTenSeconds >= 0 {
		header.Set("X-HubSpot-RateLimit-Max", strconv.Itoa(s.o.PerTenSeconds))
		header.Set("X-HubSpot-RateLimit-Remaining", strconv.Itoa(left))
		header.Set("X-HubSpot-RateLimit-Interval-Milliseconds", strconv.FormatInt(burstInterval.Milliseconds(), 10))
		header.Set("X-HubSpot-RateLimit-Daily", strconv.Itoa(dailyLimit))
		header.Set("X-HubSpot-RateLimit-Daily-Remaining", strconv.Itoa(dailyLimit))
	}
	if !ok {
		return s.rateLimited(op)
	}
	return nil
}

// rateLimited is the 429 of an operation (vendors/hubspot.md 7). There is no
// Retry-After.
func (s *Sim) rateLimited(op string) *trouble {
	x := &trouble{
		status:  http.StatusTooManyRequests,
		message: "You have reached your ten_secondly_rolling limit.",
		policy:  "TEN_SECONDLY_ROLLING",
		group:   "publicapi:private_app-api-calls-ten-secondly:" + s.app.sourceID,
	}
	if op == opSearch {
		x.message = "You have reached your secondly limit."
		x.policy = "SECONDLY"
		x.group = "publicapi:crm:search:" + s.app.sourceID
	}
	return x
}
