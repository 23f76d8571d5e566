package odoosim

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Error is an Odoo exception as its API shows it (vendors/odoo.md 5).
type Error struct {
	Status  int    // HTTP status on JSON-2; JSON-RPC answers 200 whatever it is
	Name    string // "odoo.exceptions.MissingError"
	Message string

	field string // of load() messages: the column, "" where Odoo gives none
}

// Error gives name and message.
func (e *Error) Error() string { return e.Name + ": " + e.Message }

// errBusy says that a row belongs to a transaction that has not committed yet.
var errBusy = errors.New("row locked by another transaction")

// The exception names of vendors/odoo.md 5.
const (
	nameAccessDenied = "odoo.exceptions.AccessDenied"
	nameAccessError  = "odoo.exceptions.AccessError"
	nameMissing      = "odoo.exceptions.MissingError"
	nameValidation   = "odoo.exceptions.ValidationError"
	nameUser         = "odoo.exceptions.UserError"
	nameValue        = "builtins.ValueError"
	nameAttribute    = "builtins.AttributeError"
	nameKey          = "builtins.KeyError"
	nameType         = "builtins.TypeError"
	nameOperational  = "psycopg2.OperationalError"
	nameNotFound     = "werkzeug.exceptions.NotFound"
	nameUnprocessed  = "werkzeug.exceptions.UnprocessableEntity"
	nameUnauthorized = "werkzeug.exceptions.Unauthorized"
	nameBadRequest   = "werkzeug.exceptions.BadRequest"
)

// cannotComplete precedes the messages of SQL constraints.
const cannotComplete = "The operation cannot be completed: "

func failure(status int, name, format string, args ...any) *Error {
	return &Error{Status: status, Name: name, Message: fmt.Sprintf(format, args...)}
}

func valueError(format string, args ...any) *Error {
	return failure(http.StatusInternalServerError, nameValue, format, args...)
}

func validationError(format string, args ...any) *Error {
	return failure(http.StatusUnprocessableEntity, nameValidation, format, args...)
}

func userError(format string, args ...any) *Error {
	return failure(http.StatusUnprocessableEntity, nameUser, format, args...)
}

func attributeError(format string, args ...any) *Error {
	return failure(http.StatusInternalServerError, nameAttribute, format, args...)
}

func typeError(format string, args ...any) *Error {
	return failure(http.StatusUnprocessableEntity, nameType, format, args...)
}

// missingError names the records that are gone: the asked one or, just as
// often, one that it was to point to.
func missingError(model string, uid int64, ids ...int64) *Error {
	return failure(http.StatusNotFound, nameMissing,
		"Record does not exist or has been deleted.\n(Record: %s%s, User: %d)", model, pyTuple(ids), uid)
}

func invalidField(model, name string) *Error {
	return valueError("Invalid field '%s' on model '%s'", name, model)
}

// pyTuple writes ids as Python writes a tuple: "(5,)", "(5, 6)".
func pyTuple(ids []int64) string {
	parts := make([]string, len(ids))
	for i, id := range ids {
		parts[i] = strconv.FormatInt(id, 10)
	}
	if len(parts) == 1 {
		return "(" + parts[0] + ",)"
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

// contactGroups and rightsGroups end the AccessError texts of vendors/odoo.md 5.
const (
	contactGroups = "\n\nThis operation is allowed for the following groups:\n\t- Extra Rights/Contact Creation" +
		"\n\t- Sales/Administrator\n\t- Sales/User: Own Documents Only" +
		"\n\nContact your administrator to request access if necessary."
	rightsGroups = "\n\nThis operation is allowed for the following groups:\n\t- Administration/Access Rights" +
		"\n\nContact your administrator to request access if necessary."
)

func accessError(m *model, op string) *Error {
	verb := map[string]string{OpRead: "access", OpWrite: "modify", OpCreate: "create", OpUnlink: "delete"}[op]
	groups := contactGroups
	if strings.HasPrefix(m.name, "ir.") {
		groups = rightsGroups
	}
	return failure(http.StatusForbidden, nameAccessError,
		"You are not allowed to %s '%s' (%s) records.%s", verb, m.label, m.name, groups)
}
