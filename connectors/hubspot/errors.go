package hubspot

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"syncd/connectors"
	"syncd/connectors/wire"
)

// Categories, codes and policies of the vendor's errors (sections 4 and 7).
const (
	catValidation    = "VALIDATION_ERROR"
	catConflict      = "CONFLICT"
	catAlreadyExists = "OBJECT_ALREADY_EXISTS"
	catNotFound      = "OBJECT_NOT_FOUND"
	catScopes        = "MISSING_SCOPES"
	catRate          = "RATE_LIMITS"
	catAuth          = "INVALID_AUTHENTICATION"
	catAuthExpired   = "EXPIRED_AUTHENTICATION"

	codeNoProperty  = "PROPERTY_DOESNT_EXIST"
	codeUniqueTaken = "CONFLICTING_UNIQUE_VALUE"

	policyBurst  = "TEN_SECONDLY_ROLLING"
	policySecond = "SECONDLY"
	policyDaily  = "DAILY"
)

// statusMoving is the vendor's own status for an account that is being moved
// between regions.
const statusMoving = 477

// meaning is what a status or a category says: its kind, and whether it proves
// that a write did not take effect.
type meaning struct {
	kind    connectors.Kind
	nothing bool // nothing was written
}

// byStatus is what a status of the whole call means. A status that is not in
// it proves nothing about a write (F4): 5xx, 408, 499, 52x, 3xx, and 423 and
// 477, which may stop a batch half-way.
var byStatus = map[int]meaning{
	http.StatusBadRequest:            {connectors.KindInvalid, true},
	http.StatusUnauthorized:          {connectors.KindAuth, true},
	http.StatusForbidden:             {connectors.KindForbidden, true},
	http.StatusNotFound:              {connectors.KindConfig, true},
	http.StatusMethodNotAllowed:      {connectors.KindBug, true},
	http.StatusConflict:              {connectors.KindInvalid, true},
	http.StatusRequestEntityTooLarge: {connectors.KindInvalid, true},
	http.StatusRequestURITooLong:     {connectors.KindInvalid, true},
	http.StatusUnsupportedMediaType:  {connectors.KindBug, true},
	http.StatusUnprocessableEntity:   {connectors.KindInvalid, true},
	http.StatusTooManyRequests:       {connectors.KindThrottled, true},
	http.StatusLocked:                {connectors.KindTransient, false},
	statusMoving:                     {connectors.KindTransient, false},
}

// byCategory is what the category of one error in a batch's answer means. The
// set is open: one that is not in it proves nothing.
var byCategory = map[string]meaning{
	catValidation:    {connectors.KindInvalid, true},
	catConflict:      {connectors.KindInvalid, true},
	catAlreadyExists: {connectors.KindInvalid, true},
	catNotFound:      {connectors.KindGone, true},
	catScopes:        {connectors.KindForbidden, true},
	catRate:          {connectors.KindThrottled, true},
	catAuth:          {connectors.KindAuth, true},
	catAuthExpired:   {connectors.KindAuth, true},
}

// problem is the vendor's error object, whole-call and per item alike; every
// member is optional.
type problem struct {
	Message    text            `json:"message"`
	Category   text            `json:"category"`
	Sub        text            `json:"subCategory"`
	PolicyName text            `json:"policyName"`
	Context    map[string]list `json:"context"`
	Errors     []detail        `json:"errors"`
}

// detail is one line of problem.Errors.
type detail struct {
	Message text            `json:"message"`
	Code    text            `json:"code"`
	In      text            `json:"in"`
	Context map[string]list `json:"context"`
}

// readProblem decodes an error body; anything else than JSON is an empty one.
func readProblem(body []byte) problem {
	var p problem
	if json.Unmarshal(body, &p) != nil {
		return problem{}
	}
	return p
}

// names gives every value of a context member of the problem and its details.
func (p problem) names(member string) []string {
	out := slices.Clone(p.Context[member])
	for _, d := range p.Errors {
		out = append(out, d.Context[member]...)
	}
	return out
}

// code is the most telling code: the first detail's, else the category.
func (p problem) code() string {
	for _, d := range p.Errors {
		if d.Code != "" {
			return string(d.Code)
		}
	}
	return string(p.Category)
}

// has says that a detail code is given, or quoted in the message, which may
// hold a JSON list inside its text (section 4).
func (p problem) has(code string) bool {
	for _, d := range p.Errors {
		if string(d.Code) == code {
			return true
		}
	}
	return strings.Contains(string(p.Message), code)
}

// quotedName finds the property in the list inside the message.
var quotedName = regexp.MustCompile(`"name"\s*:\s*"([A-Za-z0-9_-]{1,128})"`)

// field is the property that the problem blames, "" if it names none.
func (p problem) field() string {
	for _, name := range append(p.names("propertyName"), p.names("propertyNames")...) {
		if namePattern.MatchString(name) {
			return name
		}
	}
	for _, d := range p.Errors {
		if d.Code != "" && namePattern.MatchString(string(d.In)) {
			return string(d.In)
		}
	}
	if m := quotedName.FindStringSubmatch(string(p.Message)); m != nil {
		return m[1]
	}
	return ""
}

// duplicate says that the vendor refused a second record with a unique value.
func (p problem) duplicate() bool {
	return string(p.Category) == catConflict || string(p.Category) == catAlreadyExists || p.has(codeUniqueTaken)
}

// existingID is how the message of a duplicate names the record (section 4).
var existingID = regexp.MustCompile(`Existing ID:\s*(\d{1,20})\b`)

// existing is the record that holds the unique value, "" if not told.
func (p problem) existing() string {
	for _, id := range p.names("existingId") {
		if idPattern.MatchString(id) {
			return id
		}
	}
	if m := existingID.FindStringSubmatch(string(p.Message)); m != nil {
		return m[1]
	}
	return ""
}

// said is what people should read: the vendor's message and its details.
func (p problem) said() string {
	parts := []string{string(p.Message)}
	for _, d := range p.Errors {
		if d.Message != "" && d.Message != p.Message {
			parts = append(parts, string(d.Message))
		}
	}
	if scopes := append(p.names("requiredGranularScopes"), p.names("requiredScopes")...); len(scopes) > 0 {
		parts = append(parts, "missing scopes: "+strings.Join(scopes, ", "))
	}
	return strings.TrimSpace(strings.Join(parts, "; "))
}

// refused turns a status that is no success into the error of the whole call.
func (c *Client) refused(k call, res wire.Response) *connectors.Error {
	p := readProblem(res.Body)
	m, known := byStatus[res.Status]
	if !known {
		m.kind = connectors.KindTransient
		if res.Status >= 300 && res.Status < 400 {
			m.kind = connectors.KindConfig // redirects are not followed: the base URL is wrong
		}
	}
	e := c.fault(k, m.kind, p.said())
	e.Code, e.Status = p.code(), res.Status
	if p.PolicyName != "" {
		e.Code = string(p.PolicyName)
	}
	if e.Code == "" {
		e.Code = fmt.Sprintf("HTTP %d", res.Status)
	}
	if e.Said == "" {
		e.Said = fmt.Sprintf("HTTP %d without a word", res.Status)
	}
	if m.kind == connectors.KindInvalid {
		e.Field = p.field()
		if p.has(codeNoProperty) {
			e.Kind = connectors.KindConfig
		}
	}
	e.RetryAfter = c.retryAfter(res, p)
	return e
}

// retryAfter is how long to wait: what the vendor says, else what its policy
// means (section 7).
func (c *Client) retryAfter(res wire.Response, p problem) time.Duration {
	if d := headerWait(res.Header.Get("Retry-After"), c.cfg.Now()); d > 0 {
		return d
	}
	switch res.Status {
	case http.StatusLocked:
		return lockedWait
	case http.StatusTooManyRequests:
		switch string(p.PolicyName) {
		case policySecond:
			return secondWait
		case policyDaily:
			return c.untilMidnight()
		default: // policyBurst, and one that we do not know
			return burstWait
		}
	}
	return 0
}

// longestWait is the longest Retry-After that is believed: the vendor's own for
// an account that is being moved.
const longestWait = 24 * time.Hour

// headerWait reads a Retry-After header, in seconds or as a date, up to
// longestWait.
func headerWait(h string, now time.Time) time.Duration {
	if h == "" {
		return 0
	}
	var d time.Duration
	if n, err := strconv.ParseFloat(h, 64); err == nil && n > 0 {
		if n > longestWait.Seconds() {
			return longestWait
		}
		d = time.Duration(n * float64(time.Second))
	} else if at, err := http.ParseTime(h); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), longestWait)
}

// untilMidnight is the rest of the account's day: its budget starts anew then.
func (c *Client) untilMidnight() time.Duration {
	c.mu.RLock()
	zone := c.zone
	c.mu.RUnlock()
	if zone == nil {
		zone = time.UTC
	}
	now := c.cfg.Now().In(zone)
	y, m, d := now.Date()
	return time.Date(y, m, d+1, 0, 0, 0, 0, zone).Sub(now)
}
