package odoo

import (
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"syncd/connectors"
	"syncd/connectors/wire"
)

// trouble is a call that did not give its result.
type trouble struct {
	kind   connectors.Kind
	open   bool   // what was asked may have been done all the same (CORRECTNESS F4)
	field  string // the field at fault
	said   string
	code   string // exception name or HTTP status
	status int    // HTTP status, where it is all that is known
	after  time.Duration
	err    error

	noModel bool    // the model does not exist in this database
	model   string  // MissingError: of which model …
	ids     []int64 // … and which records of it are missing
}

// ours gives the error of the contract. Whoever calls for a single record
// decides about WholeCall: see blame.
func (c *Client) ours(op, object string, t *trouble) *connectors.Error {
	return &connectors.Error{
		Kind: t.kind, System: c.c.System, Object: object, Field: t.field, Op: op, Said: t.said,
		WholeCall: true, RetryAfter: t.after, Code: t.code, Status: t.status, Err: t.err,
	}
}

// bug gives an error about a request that should not have been made.
func (c *Client) bug(op, object, said string) *connectors.Error {
	return c.ours(op, object, &trouble{kind: connectors.KindBug, said: said})
}

// stops says that the next call would fare no better.
func (t *trouble) stops() bool {
	switch t.kind {
	case connectors.KindThrottled, connectors.KindTransient, connectors.KindAuth, connectors.KindForbidden:
		return true
	}
	return t.open
}

// rule is one line of the error table: an exception by the start of its name
// and a piece of its message, and what it means.
type rule struct {
	name    string
	says    *regexp.Regexp // nil: any message
	kind    connectors.Kind
	open    bool
	noModel bool
	field   int // group of says that names the field at fault, 0: none
}

// table maps Odoo's exceptions to kinds, first line that fits; names end in "*"
// where only their start counts (vendors/odoo.md 5). Every exception but those
// marked open was raised before the commit: nothing was written.
var table = []rule{
	{name: "odoo.exceptions.AccessDenied", kind: connectors.KindAuth},
	{name: "odoo.http.SessionExpiredException", kind: connectors.KindAuth},
	{name: "odoo.exceptions.AccessError", says: regexp.MustCompile(`^Private methods`), kind: connectors.KindBug},
	{name: "odoo.exceptions.AccessError", kind: connectors.KindForbidden},
	{name: "odoo.exceptions.MissingError", kind: connectors.KindInvalid}, // Gone only by fate: see blame
	{name: "odoo.exceptions.UserError", says: regexp.MustCompile(`^Object \S+ doesn't exist`), kind: connectors.KindConfig, noModel: true},
	{name: "odoo.exceptions.LockError", kind: connectors.KindTransient},
	{name: "odoo.exceptions.*", kind: connectors.KindInvalid},
	{name: "builtins.ValueError", says: regexp.MustCompile(`^Invalid field '([^']+)' on model`), kind: connectors.KindConfig, field: 1},
	{name: "builtins.ValueError", says: regexp.MustCompile(`^Invalid field [a-z0-9_]+(?:\.[a-z0-9_]+)*\.([a-z0-9_]+) in leaf`), kind: connectors.KindConfig, field: 1},
	{name: "builtins.ValueError", says: regexp.MustCompile(`^Wrong value for [a-z0-9_.]*\.([a-z0-9_]+):`), kind: connectors.KindInvalid, field: 1},
	{name: "builtins.ValueError", kind: connectors.KindInvalid},
	{name: "builtins.KeyError", says: regexp.MustCompile(`^['"]?([A-Za-z0-9_]+)(?:/[a-z.]*)?['"]?$`), kind: connectors.KindConfig, field: 1},
	{name: "builtins.KeyError", kind: connectors.KindConfig},
	{name: "builtins.AttributeError", kind: connectors.KindBug},
	{name: "builtins.TypeError", kind: connectors.KindBug},
	{name: "psycopg2.errors.SerializationFailure", kind: connectors.KindTransient},
	{name: "psycopg2.errors.DeadlockDetected", kind: connectors.KindTransient},
	{name: "psycopg2.errors.LockNotAvailable", kind: connectors.KindTransient},
	{name: "psycopg2.extensions.TransactionRollbackError", kind: connectors.KindTransient},
	{name: "psycopg2.errors.UniqueViolation", kind: connectors.KindInvalid},
	{name: "psycopg2.errors.NotNullViolation", kind: connectors.KindInvalid},
	{name: "psycopg2.errors.ForeignKeyViolation", kind: connectors.KindInvalid},
	{name: "psycopg2.errors.CheckViolation", kind: connectors.KindInvalid},
	{name: "psycopg2.errors.NumericValueOutOfRange", kind: connectors.KindInvalid},
	{name: "psycopg2.errors.InvalidTextRepresentation", kind: connectors.KindInvalid},
	{name: "psycopg2.IntegrityError", kind: connectors.KindInvalid},
	{name: "psycopg2.DataError", kind: connectors.KindInvalid},
	{name: "psycopg2.OperationalError", says: regexp.MustCompile(`database ".*" does not exist`), kind: connectors.KindConfig},
	{name: "psycopg2.*", says: conflict, kind: connectors.KindTransient},
	// The connection to the database may have broken in the commit itself.
	{name: "psycopg2.*", kind: connectors.KindTransient, open: true},
	{name: "werkzeug.exceptions.NotFound", kind: connectors.KindConfig, noModel: true},
	{name: "werkzeug.exceptions.Unauthorized", kind: connectors.KindAuth},
	{name: "werkzeug.exceptions.Forbidden", kind: connectors.KindForbidden},
	{name: "werkzeug.exceptions.BadRequest", kind: connectors.KindBug},
	{name: "werkzeug.exceptions.UnprocessableEntity", kind: connectors.KindBug},
	{name: "werkzeug.exceptions.UnsupportedMediaType", kind: connectors.KindBug},
}

// exception is what Odoo says when it refuses. Its debug is never decoded: it
// is a traceback with paths of the host (vendors/odoo.md 5).
type exception struct {
	Name    string `json:"name"`
	Message string `json:"message"`
}

// judge finds an exception in the table. status is the HTTP status, 200 for
// JSON-RPC. An exception nobody foresaw is tried again.
func judge(x exception, status int) *trouble {
	t := &trouble{kind: connectors.KindTransient, said: cut(x.Message), code: x.Name, open: status >= http.StatusInternalServerError}
	for _, r := range table {
		if start, part := strings.CutSuffix(r.name, "*"); x.Name != r.name && !(part && strings.HasPrefix(x.Name, start)) {
			continue
		}
		groups := []string{""}
		if r.says != nil {
			if groups = r.says.FindStringSubmatch(x.Message); groups == nil {
				continue
			}
		}
		t.kind, t.open, t.noModel = r.kind, r.open, r.noModel
		if r.field > 0 {
			t.field = groups[r.field]
		}
		break
	}
	if x.Name == "odoo.exceptions.MissingError" {
		t.model, t.ids = missing(x.Message)
	}
	return t
}

// record finds the record that a MissingError names, in any language.
var record = regexp.MustCompile(`\([^():]{1,40}: ?([a-z][a-z0-9_.]*)\(([0-9, ]*)\)`)

// missing gives model and ids out of "(Record: res.partner(999999,), User: 2)".
func missing(message string) (model string, ids []int64) {
	m := record.FindStringSubmatch(message)
	if m == nil {
		return "", nil
	}
	for s := range strings.SplitSeq(m[2], ",") {
		if id, ok := parseID(strings.TrimSpace(s)); ok {
			ids = append(ids, id)
		}
	}
	return m[1], ids
}

// plain maps an HTTP status without an exception, mostly from a proxy, to a
// kind. What is not listed here may have been applied (CORRECTNESS F4).
var plain = map[int]connectors.Kind{
	http.StatusBadRequest:            connectors.KindBug,
	http.StatusUnauthorized:          connectors.KindAuth,
	http.StatusForbidden:             connectors.KindForbidden,
	http.StatusNotFound:              connectors.KindConfig,
	http.StatusMethodNotAllowed:      connectors.KindBug,
	http.StatusRequestEntityTooLarge: connectors.KindInvalid,
	http.StatusRequestURITooLong:     connectors.KindInvalid,
	http.StatusUnsupportedMediaType:  connectors.KindBug,
	http.StatusUnprocessableEntity:   connectors.KindBug,
	http.StatusTooManyRequests:       connectors.KindThrottled,
}

// status judges an answer by its HTTP status alone.
func (c *Client) status(r wire.Response) *trouble {
	t := &trouble{kind: connectors.KindTransient, open: true, code: strconv.Itoa(r.Status), status: r.Status, after: c.retryAfter(r.Header)}
	if kind, ok := plain[r.Status]; ok {
		t.kind, t.open = kind, false
	}
	if r.Status >= 300 && r.Status < 400 {
		t.kind, t.open, t.said = connectors.KindConfig, false, "the server answers with a redirect: correct the url"
	}
	return t
}

// retryAfter reads the header of that name, in seconds or as a date.
func (c *Client) retryAfter(h http.Header) time.Duration {
	s := h.Get("Retry-After")
	if n, err := strconv.Atoi(s); err == nil && n >= 0 {
		return min(time.Duration(n)*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(s); err == nil {
		return min(max(at.Sub(c.c.Now()), 0), maxRetryAfter)
	}
	return 0
}

// maxRetryAfter bounds what a proxy may ask for.
const maxRetryAfter = time.Hour

// lost judges a call without a whole answer.
func lost(err error) *trouble {
	var f *wire.Failure
	return &trouble{kind: connectors.KindTransient, open: !errors.As(err, &f) || f.Sent, err: err}
}

// broken judges an answer that is none of Odoo's.
func broken(said string) *trouble {
	return &trouble{kind: connectors.KindTransient, open: true, said: said, code: "broken_answer"}
}

// maxSaid caps a message of the vendor's.
const maxSaid = 1000

// cut shortens a message.
func cut(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > maxSaid {
		s = strings.ToValidUTF8(s[:maxSaid], "") + "…"
	}
	return s
}
