package odoo

import (
	"net/http"
	"testing"
	"time"

	"syncd/connectors"
	"syncd/connectors/wire"
)

var httpClient = wire.NewClient(http.DefaultTransport)

// The messages are those of vendors/odoo.md 5, as they were seen.
func TestJudge(t *testing.T) {
	for _, x := range []struct {
		name, message string
		status        int
		kind          connectors.Kind
		field         string
		open, noModel bool
	}{
		{name: "odoo.exceptions.AccessDenied", message: "Access Denied", kind: connectors.KindAuth},
		{name: "odoo.exceptions.AccessError", message: "You are not allowed to modify 'Contact' (res.partner) records.", kind: connectors.KindForbidden},
		{name: "odoo.exceptions.AccessError", message: "Private methods (such as _compute_display_name) cannot be called remotely.", kind: connectors.KindBug},
		{name: "odoo.exceptions.MissingError", message: "Record does not exist or has been deleted.\n(Record: res.partner(999999,), User: 2)", kind: connectors.KindInvalid},
		{name: "builtins.ValueError", message: "Invalid field 'x_nope' on model 'res.partner'", kind: connectors.KindConfig, field: "x_nope"},
		{name: "builtins.ValueError", message: "Invalid field res.partner.x_nope in leaf ('x_nope', '=', 1)", kind: connectors.KindConfig, field: "x_nope"},
		{name: "builtins.ValueError", message: "Wrong value for res.partner.type: 'bogus'", kind: connectors.KindInvalid, field: "type"},
		{name: "builtins.ValueError", message: "A string literal cannot contain NUL (0x00) characters.", kind: connectors.KindInvalid},
		{name: "odoo.exceptions.ValidationError", message: "You cannot create recursive Partner hierarchies.", kind: connectors.KindInvalid},
		{name: "odoo.exceptions.UserError", message: "Object res.nosuch doesn't exist", kind: connectors.KindConfig, noModel: true},
		{name: "odoo.exceptions.UserError", message: "This period is locked.", kind: connectors.KindInvalid},
		{name: "odoo.exceptions.RedirectWarning", message: "x", kind: connectors.KindInvalid},
		{name: "odoo.exceptions.LockError", message: "x", kind: connectors.KindTransient},
		{name: "builtins.AttributeError", message: "The method 'nosuch' does not exist on the model 'res.partner'", kind: connectors.KindBug},
		{name: "builtins.TypeError", message: "x", status: 500, kind: connectors.KindBug},
		{name: "builtins.KeyError", message: "nofield", kind: connectors.KindConfig, field: "nofield"},
		{name: "builtins.KeyError", message: "'nofield/.id'", status: 500, kind: connectors.KindConfig, field: "nofield"},
		{name: "psycopg2.errors.SerializationFailure", message: "could not serialize access", kind: connectors.KindTransient},
		{name: "psycopg2.OperationalError", message: "connection to server at \"HOST\", port PORT failed: FATAL:  database \"nodb\" does not exist\n", kind: connectors.KindConfig},
		{name: "psycopg2.OperationalError", message: "server closed the connection unexpectedly", kind: connectors.KindTransient, open: true},
		{name: "werkzeug.exceptions.NotFound", message: "the model 'res.nosuch' does not exist", status: 404, kind: connectors.KindConfig, noModel: true},
		{name: "builtins.ZeroDivisionError", message: "division by zero", kind: connectors.KindTransient},
		{name: "somebody.Error", message: "x", status: 500, kind: connectors.KindTransient, open: true},
	} {
		if x.status == 0 {
			x.status = http.StatusOK
		}
		got := judge(exception{x.name, x.message}, x.status)
		if got.kind != x.kind || got.field != x.field || got.open != x.open || got.noModel != x.noModel {
			t.Errorf("judge(%s, %q) = %+v", x.name, x.message, got)
		}
	}
}

func TestMissingNamesTheRecord(t *testing.T) {
	for message, want := range map[string][]int64{
		"Record does not exist or has been deleted.\n(Record: res.partner(999999,), User: 2)": {999999},
		"Datensatz existiert nicht.\n(Datensatz: res.partner(5, 6), Benutzer: 2)":             {5, 6},
		"Record does not exist.": nil,
	} {
		model, ids := missing(message)
		if len(ids) != len(want) || (want != nil && (model != "res.partner" || ids[0] != want[0])) {
			t.Errorf("missing(%q) = %s %v", message, model, ids)
		}
	}
}

func TestStatus(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	c := &Client{c: Config{System: "erp", Now: func() time.Time { return now }}}
	for _, x := range []struct {
		status int
		kind   connectors.Kind
		open   bool
	}{
		{301, connectors.KindConfig, false}, {400, connectors.KindBug, false}, {401, connectors.KindAuth, false},
		{403, connectors.KindForbidden, false}, {404, connectors.KindConfig, false}, {408, connectors.KindTransient, true},
		{413, connectors.KindInvalid, false}, {429, connectors.KindThrottled, false}, {499, connectors.KindTransient, true},
		{500, connectors.KindTransient, true}, {502, connectors.KindTransient, true}, {504, connectors.KindTransient, true},
	} {
		got := c.status(wire.Response{Status: x.status, Header: http.Header{"Retry-After": {"7"}}})
		if got.kind != x.kind || got.open != x.open || got.after != 7*time.Second {
			t.Errorf("status %d: %+v", x.status, got)
		}
	}
	date := http.Header{"Retry-After": {now.Add(time.Minute).Format(http.TimeFormat)}}
	if got := c.retryAfter(date); got != time.Minute {
		t.Errorf("Retry-After as a date: %v", got)
	}
}
