package hubspotsim

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Operations, as faults and the truth name them.
const (
	opGet          = "get"
	opList         = "list"
	opCreate       = "create"
	opUpdate       = "update"
	opArchive      = "archive"
	opBatchRead    = "batch_read"
	opBatchCreate  = "batch_create"
	opBatchUpdate  = "batch_update"
	opBatchUpsert  = "batch_upsert"
	opBatchArchive = "batch_archive"
	opSearch       = "search"
	opMerge        = "merge"
	opProperties   = "properties"
	opAccount      = "account"
)

// route is where a request leads.
type route struct {
	op    string
	table *table
	other *table // the object at the other end of associations
	id    string // of a record, or the name of a property
	write bool
	open  bool // needs no bearer token
	run   func(*Sim, *request) reply
}

// objectName is the object of a route in the truth and in faults.
func (r route) objectName() string {
	if r.table == nil {
		return ""
	}
	return r.table.kind.name
}

// resolve finds the route of a path in either version's shape
// (vendors/hubspot.md 1, path pairs); false is 404.
func (s *Sim) resolve(method, escaped string) (route, bool) {
	parts := strings.Split(strings.Trim(escaped, "/"), "/")
	for i, p := range parts {
		plain, err := url.PathUnescape(p)
		if err != nil {
			return route{}, false
		}
		parts[i] = plain
	}
	area, rest := areaOf(parts)
	switch {
	case area == "account" && method == http.MethodGet:
		return route{op: opAccount, run: (*Sim).accountDetails}, true
	case area == "token" && method == http.MethodPost:
		return route{op: opAccount, run: (*Sim).tokenInfo, open: true}, true
	case area == "objects" && len(rest) > 0:
		return objectRoute(s.table(rest[0]), method, rest[1:])
	case area == "associations":
		return s.associationRoute(method, rest)
	case area == "properties" && len(rest) > 0:
		return propertyRoute(s.table(rest[0]), method, rest[1:])
	}
	return route{}, false
}

func areaOf(parts []string) (area string, rest []string) {
	versions := []string{versionNumber, versionDate}
	switch {
	case len(parts) >= 3 && parts[0] == "crm" && parts[1] == versionNumber:
		return parts[2], parts[3:]
	case len(parts) >= 3 && parts[0] == "crm" && parts[1] == versionAssociations && parts[2] == "associations":
		return parts[2], parts[3:]
	case len(parts) >= 3 && parts[0] == "crm" && parts[2] == versionDate:
		return parts[1], parts[3:]
	case len(parts) == 3 && parts[0] == "account-info" && slices.Contains(versions, parts[1]) && parts[2] == "details":
		return "account", nil
	case strings.Join(parts, "/") == "oauth/v2/private-apps/get/access-token-info":
		return "token", nil
	}
	return "", nil
}

// objectRoute is vendors/hubspot.md 3, the table of endpoints.
func objectRoute(t *table, method string, rest []string) (route, bool) {
	if t == nil {
		return route{}, false
	}
	path := method
	switch {
	case len(rest) == 1 && rest[0] != "search" && rest[0] != "merge":
		path += " id"
	case len(rest) > 0:
		path += " " + strings.Join(rest, "/")
	}
	r, ok := map[string]route{
		"GET":                {op: opList, run: (*Sim).list},
		"POST":               {op: opCreate, write: true, run: (*Sim).create},
		"GET id":             {op: opGet, run: (*Sim).get},
		"PATCH id":           {op: opUpdate, write: true, run: (*Sim).update},
		"DELETE id":          {op: opArchive, write: true, run: (*Sim).remove},
		"POST search":        {op: opSearch, run: (*Sim).search},
		"POST merge":         {op: opMerge, write: true, run: (*Sim).merge},
		"POST batch/read":    {op: opBatchRead, run: (*Sim).batchRead},
		"POST batch/create":  {op: opBatchCreate, write: true, run: (*Sim).batchCreate},
		"POST batch/update":  {op: opBatchUpdate, write: true, run: (*Sim).batchUpdate},
		"POST batch/upsert":  {op: opBatchUpsert, write: true, run: (*Sim).batchUpsert},
		"POST batch/archive": {op: opBatchArchive, write: true, run: (*Sim).batchArchive},
	}[path]
	if !ok || (r.op == opMerge && !t.kind.mergeable) {
		return route{}, false
	}
	r.table = t
	if len(rest) == 1 {
		r.id = rest[0]
	}
	return r, true
}

// propertyRoute is vendors/hubspot.md 5.
func propertyRoute(t *table, method string, rest []string) (route, bool) {
	if t == nil {
		return route{}, false
	}
	r := route{op: opProperties, table: t}
	switch path := method + " " + strings.Join(rest, "/"); {
	case path == "GET ":
		r.run = (*Sim).propertyList
	case path == "POST ":
		r.run, r.write = (*Sim).propertyCreate, true
	case path == "GET groups":
		r.run = (*Sim).propertyGroups
	case path == "POST batch/create":
		r.run, r.write = (*Sim).propertyBatchCreate, true
	case method == http.MethodGet && len(rest) == 1:
		r.run, r.id = (*Sim).propertyGet, rest[0]
	default:
		return route{}, false
	}
	return r, true
}
