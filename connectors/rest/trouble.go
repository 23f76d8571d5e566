package rest

import (
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

// Operations, as errors.rules name them.
const (
	opProbe  = "probe"
	opSchema = "schema"
	opRead   = "read"
	opList   = "list"
	opFind   = "find"
	opCreate = "create"
	opUpdate = "update"
)

var operations = []string{
	opProbe, opSchema, opRead, opList, opFind, opCreate, opUpdate,
	string(connectors.Archive), string(connectors.Delete), string(connectors.Restore),
}

// Meanings of an answer besides the kinds of errors.
const (
	isExists  = "exists"  // create: another record holds our token or a unique value
	isEmpty   = "empty"   // list, find, read: nothing there
	isDenied  = "denied"  // read: this record is not ours to see
	isMissing = "missing" // read: not seen, which proves nothing
	isDone    = "done"    // archive, delete, restore: it was so already
	isUnknown = "unknown" // nothing is known of the write
)

// kinds are the kinds of errors that a rule may name.
var kinds = []string{
	string(connectors.KindThrottled), string(connectors.KindTransient), string(connectors.KindConflict),
	string(connectors.KindInvalid), string(connectors.KindGone), string(connectors.KindForbidden),
	string(connectors.KindAuth), string(connectors.KindConfig), string(connectors.KindBug),
}

// meaning is what an answer says: its kind, and whether it proves that a write did
// not take effect.
type meaning struct {
	is      string // one of kinds or of the meanings above
	nothing bool
}

// kind gives the kind of an error with this meaning.
func (m meaning) kind() connectors.Kind {
	switch m.is {
	case isExists:
		return connectors.KindInvalid
	case isEmpty, isMissing, isDone:
		return connectors.KindGone
	case isDenied:
		return connectors.KindForbidden
	case isUnknown:
		return connectors.KindTransient
	}
	return connectors.Kind(m.is)
}

// byStatus is what a status means that no rule speaks of: the one table. What is
// not in it proves nothing about a write (CORRECTNESS F4): 5xx, 408, 499, 3xx, and
// 409, which is also the answer while the first send of a repeated create runs
// (section B.1).
var byStatus = map[int]meaning{
	http.StatusBadRequest:                  {string(connectors.KindInvalid), true},
	http.StatusUnauthorized:                {string(connectors.KindAuth), true},
	http.StatusPaymentRequired:             {string(connectors.KindForbidden), false},
	http.StatusForbidden:                   {string(connectors.KindForbidden), true},
	http.StatusNotFound:                    {string(connectors.KindConfig), true},
	http.StatusMethodNotAllowed:            {string(connectors.KindConfig), true},
	http.StatusNotAcceptable:               {string(connectors.KindBug), true},
	http.StatusConflict:                    {string(connectors.KindConflict), false},
	http.StatusGone:                        {string(connectors.KindGone), true},
	http.StatusPreconditionFailed:          {string(connectors.KindConflict), true},
	http.StatusRequestEntityTooLarge:       {string(connectors.KindInvalid), true},
	http.StatusRequestURITooLong:           {string(connectors.KindInvalid), true},
	http.StatusUnsupportedMediaType:        {string(connectors.KindBug), true},
	http.StatusUnprocessableEntity:         {string(connectors.KindInvalid), true},
	http.StatusLocked:                      {string(connectors.KindTransient), false},
	http.StatusPreconditionRequired:        {string(connectors.KindConfig), true},
	http.StatusTooManyRequests:             {string(connectors.KindThrottled), false},
	http.StatusRequestHeaderFieldsTooLarge: {string(connectors.KindBug), true},
	http.StatusNotImplemented:              {string(connectors.KindConfig), true},
	http.StatusHTTPVersionNotSupported:     {string(connectors.KindConfig), true},
}

// rule is an ErrorRule made ready.
type rule struct {
	ErrorRule
	idText *regexp.Regexp // the id stands in the words
	idAt   source         // or at a place
}

func (r rule) on(op string) bool { return len(r.On) == 0 || slices.Contains(r.On, op) }

// errors checks how refusals are read.
func (f *faults) errors(s *spec) {
	e := s.set.Errors
	s.codes, s.messages, s.fields = f.sources("errors.code", e.Code), f.sources("errors.message", e.Message), f.sources("errors.field", e.Field)
	for i, p := range e.FailedIf {
		s.failedIf = append(s.failedIf, f.path(fmt.Sprintf("errors.failed_if[%d]", i), p))
	}
	for i, set := range e.Rules {
		key := fmt.Sprintf("errors.rules[%d]", i)
		r := rule{ErrorRule: set}
		f.oneOf(key+".is", set.Is, append(slices.Clone(kinds), isExists, isEmpty, isDenied, isMissing, isDone, isUnknown)...)
		f.oneOf(key+".not_applied", set.NotApplied, "", "yes", "no")
		for _, op := range set.On {
			f.oneOf(key+".on", op, operations...)
		}
		for _, status := range set.Status {
			if status < 100 || status > 599 {
				f.add(key+".status", "%d is no status", status)
			}
		}
		if err := checkTemplate(set.Says, []string{"id"}, nil); err != nil {
			f.add(key+".says", "%v", err)
		}
		if len(set.Status) == 0 && len(set.Code) == 0 && set.Says == "" {
			f.add(key, "fits every answer: give it a status, a code or a part of the words (says)")
		}
		switch {
		case set.ID == "":
		case set.Is != isExists:
			f.add(key+".id", "goes with is: exists")
		case strings.Contains(set.ID, "{id}"):
			before, after, _ := strings.Cut(set.ID, "{id}")
			r.idText = regexp.MustCompile(regexp.QuoteMeta(before) + `([A-Za-z0-9_.~-]{1,64})` + regexp.QuoteMeta(after))
		default:
			r.idAt = f.source(key+".id", set.ID)
		}
		s.rules = append(s.rules, r)
	}
}

// read gives the first source that says something.
func read(list []source, res wire.Response, body any) string {
	for _, s := range list {
		if v := s.read(res, body); v != "" {
			return v
		}
	}
	return ""
}

// read gives what stands at the place; a list or an object as JSON.
func (s source) read(res wire.Response, body any) string {
	if s.header != "" {
		return res.Header.Get(s.header)
	}
	v, ok := s.path.get(body)
	if !ok || v == nil {
		return ""
	}
	if text := scalar(v); text != "" {
		return text
	}
	switch v.(type) {
	case map[string]any, []any:
		return compact(v)
	}
	return ""
}

// maxSaid bounds the vendor's words.
const maxSaid = 1000

// verdict is a refusal as read.
type verdict struct {
	meaning
	code, said, field string
	existing          string // is exists: the other record
}

// judge reads a refusal: rules first, then the status. Body comes before status
// where a rule says so (vendors/README.md 7.10).
func (c *Client) judge(k call, res wire.Response, body any) verdict {
	s := c.spec
	v := verdict{code: read(s.codes, res, body), said: read(s.messages, res, body), field: read(s.fields, res, body)}
	v.meaning = c.byRule(k, res, body, &v)
	if len(v.said) > maxSaid {
		v.said = strings.ToValidUTF8(v.said[:maxSaid], "")
	}
	if v.code == "" {
		v.code = "HTTP " + strconv.Itoa(res.Status)
	}
	if v.said == "" {
		v.said = v.code + " without a word"
	}
	return v
}

func (c *Client) byRule(k call, res wire.Response, body any, v *verdict) meaning {
	for _, r := range c.spec.rules {
		if !r.on(k.op) || len(r.Status) > 0 && !slices.Contains(r.Status, res.Status) || len(r.Code) > 0 && !slices.Contains(r.Code, v.code) {
			continue
		}
		if r.Says != "" {
			part := fill(r.Says, map[string]string{"id": k.id})
			if !strings.Contains(v.said, part) && !strings.Contains(v.code, part) {
				continue
			}
		}
		if r.Is == isExists {
			v.existing = r.existing(k, res, body, v)
		}
		m := meaning{is: r.Is, nothing: r.Is != string(connectors.KindThrottled) && r.Is != string(connectors.KindTransient) && r.Is != isUnknown}
		if r.Is == string(connectors.KindThrottled) {
			m.nothing = c.spec.set.Errors.ThrottledIsNotApplied
		}
		if r.NotApplied != "" {
			m.nothing = r.NotApplied == "yes"
		}
		return m
	}
	return c.fallback(k, res.Status)
}

func (r rule) existing(k call, res wire.Response, body any, v *verdict) string {
	if r.idText != nil {
		if m := r.idText.FindStringSubmatch(v.said); m != nil {
			return k.validID(m[1])
		}
		return ""
	}
	return k.validID(r.idAt.read(res, body))
}

// fallback reads a status that no rule speaks of.
func (c *Client) fallback(k call, status int) meaning {
	m, known := byStatus[status]
	switch {
	case status == http.StatusNotFound && k.op == opRead:
		return meaning{isMissing, true} // it may be hidden, renamed, or the path wrong
	case status == http.StatusNotFound && k.id != "":
		return meaning{string(connectors.KindGone), true}
	case status == http.StatusTooManyRequests:
		m.nothing = c.spec.set.Errors.ThrottledIsNotApplied
	case status >= 300 && status < 400:
		return meaning{is: string(connectors.KindConfig)} // redirects are not followed: base_url is wrong
	case !known:
		return meaning{is: string(connectors.KindTransient)}
	}
	return m
}

// oneRecord says that the kind is about a record and not about the call.
func (v verdict) oneRecord() bool {
	switch v.kind() {
	case connectors.KindInvalid, connectors.KindGone, connectors.KindConflict:
		return true
	}
	return v.is == isDenied
}

// refused turns a verdict into the contract's error.
func (c *Client) refused(k call, res wire.Response, v verdict) *connectors.Error {
	e := c.fault(k, v.kind(), v.said)
	e.Code, e.Status = v.code, res.Status
	e.WholeCall = !v.oneRecord()
	if e.Kind == connectors.KindInvalid || e.Kind == connectors.KindConfig {
		e.Field = c.blamed(k, v.field)
	}
	if e.Kind == connectors.KindThrottled || e.Kind == connectors.KindTransient {
		e.RetryAfter = wait(res.Header, c.now())
	}
	return e
}

// blamed gives our name of the vendor's field at fault, "" if it is none of ours.
func (c *Client) blamed(k call, theirs string) string {
	for name, f := range c.fieldsOf(k.object) {
		if theirs != "" && (name == theirs || strings.Join(f.path.steps, ".") == theirs || "/"+strings.Join(f.path.steps, "/") == theirs) {
			return name
		}
	}
	return ""
}

// longestWait is the longest Retry-After that is believed.
const longestWait = 24 * time.Hour

// wait reads how long to wait: Retry-After in seconds or as a date, measured
// against the answer's own Date (section B.4); else the reset of a RateLimit field
// (B.2, B.3).
func wait(h http.Header, now time.Time) time.Duration {
	if at, err := http.ParseTime(h.Get("Date")); err == nil {
		now = at
	}
	if v := h.Get("Retry-After"); v != "" {
		if n, err := strconv.ParseFloat(v, 64); err == nil && n > 0 {
			return seconds(n)
		}
		if at, err := http.ParseTime(v); err == nil {
			return min(max(at.Sub(now), 0), longestWait)
		}
	}
	for _, name := range []string{"RateLimit-Reset", "X-RateLimit-Reset"} {
		n, err := strconv.ParseFloat(h.Get(name), 64)
		switch {
		case err != nil || n <= 0:
		case n > 1e12:
			return min(max(time.UnixMilli(int64(n)).Sub(now), 0), longestWait)
		case n > 1e9:
			return min(max(time.Unix(int64(n), 0).Sub(now), 0), longestWait)
		default:
			return seconds(n)
		}
	}
	return 0
}

func seconds(n float64) time.Duration {
	if n > longestWait.Seconds() {
		return longestWait
	}
	return time.Duration(n * float64(time.Second))
}
