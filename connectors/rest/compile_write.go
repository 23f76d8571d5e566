package rest

import (
	"maps"
	"net/http"
	"slices"

	"syncd/connectors"
)

func (f *faults) create(key string, o *object, s *spec) createSpec {
	set := o.set.Create
	out := createSpec{Create: set}
	if set.Path == "" {
		if set.Class != "" {
			f.add(key+".path", "is missing: where a record is made")
		}
		out.Class = string(connectors.ClassBlind)
		return out
	}
	out.Method, out.Answer = cmpOr(set.Method, http.MethodPost), cmpOr(set.Answer, answerRecord)
	f.oneOf(key+".method", out.Method, http.MethodPost, http.MethodPut)
	f.urlPath(key+".path", set.Path, nil)
	f.headers(key+".headers", set.Header)
	f.queryTemplates(key+".query", set.Query, nil, nil)
	f.oneOf(key+".answer", out.Answer, answerRecord, answerID, answerLocation)
	out.answerID = f.path(key+".answer_id", set.AnswerID)
	if (out.Answer == answerID) != out.answerID.given {
		f.add(key+".answer_id", "goes with answer: id, and says where the id stands (\"$\" for a bare one)")
	}
	f.class(key, out, o, s)
	out.Settle = set.Settle
	if out.Settle == 0 {
		out.Settle = defaultSettle
	}
	if i := set.Idempotency; i != (Idempotency{}) {
		switch {
		case !headerName.MatchString(i.Header):
			f.add(key+".idempotency.header", "is no header's name: the one in which the vendor takes the key")
		case i.Window <= 0:
			f.add(key+".idempotency.window", "is missing: how long the vendor keeps a key; a repeat after that makes a second record")
		case set.Class != string(connectors.ClassSearch):
			f.add(key+".idempotency", "is of use with class search only")
		}
	}
	out.many = f.batch(key+".many", set.Many)
	if out.many != nil && !out.many.send.given {
		f.add(key+".many.send", "is missing: where the key goes by which a result is known; results are never matched by position")
	}
	return out
}

// class checks that a create class can hold (CORRECTNESS 0.2).
func (f *faults) class(key string, c createSpec, o *object, s *spec) {
	if c.Class == "" {
		f.add(key+".class", "is missing: unique (the vendor refuses a second record with our token, two at once too), search (it can be looked up) or blind")
		return
	}
	if !f.oneOf(key+".class", c.Class, string(connectors.ClassUnique), string(connectors.ClassSearch), string(connectors.ClassBlind)) {
		return
	}
	if c.Class == string(connectors.ClassBlind) {
		return
	}
	token := s.set.TokenField
	if !o.token {
		f.add(key+".class", "%s needs the field %s, which holds our token: it is not among the fields", c.Class, token)
	}
	if !slices.Contains(o.set.Find.Fields, token) {
		f.add(key+".class", "%s needs a look-up by the token: %s is not in find.fields", c.Class, token)
	}
	if c.Class == string(connectors.ClassUnique) && !slices.ContainsFunc(s.rules, func(r rule) bool { return r.Is == isExists && r.on(opCreate) }) {
		f.add(key+".class", "unique needs an errors.rules entry with is: exists, by which the vendor's refusal of a second record is known")
	}
}

// What a create's answer carries.
const (
	answerRecord   = "record"
	answerID       = "id"
	answerLocation = "location"
	answerNone     = "none"
)

// Styles of an update.
const (
	styleDeep    = "merge_deep"
	styleMerge   = "merge"
	styleReplace = "replace"
)

func (f *faults) update(key string, o *object) updateSpec {
	set := o.set.Update
	out := updateSpec{Update: set}
	if set.Method == "" && set.Path == "" && set.Style == "" && set.Many.Path == "" {
		return out
	}
	out.Method, out.Path = cmpOr(set.Method, http.MethodPatch), cmpOr(set.Path, o.set.Read.Path)
	out.Style, out.Null, out.Answer = cmpOr(set.Style, styleDeep), cmpOr(set.Null, "null"), cmpOr(set.Answer, answerRecord)
	out.Type = cmpOr(set.Type, "application/json")
	f.oneOf(key+".method", out.Method, http.MethodPatch, http.MethodPut, http.MethodPost)
	f.urlPath(key+".path", out.Path, []string{"id"})
	f.headers(key+".headers", set.Header)
	f.queryTemplates(key+".query", set.Query, []string{"id"}, nil)
	f.oneOf(key+".style", out.Style, styleDeep, styleMerge, styleReplace)
	f.oneOf(key+".null", out.Null, "null", "empty")
	f.oneOf(key+".answer", out.Answer, answerRecord, answerNone)
	f.oneOf(key+".content_type", out.Type, "application/json", "application/merge-patch+json")
	f.lock(key+".lock", set.Lock, &out)
	out.many = f.batch(key+".many", set.Many)
	if out.many != nil && !out.many.send.given {
		out.many.send = o.id
	}
	if out.many != nil && set.Lock.Required {
		f.add(key+".many", "no precondition goes with the records of a batch, and lock says that the vendor demands one")
	}
	return out
}

func (f *faults) lock(key string, l Lock, out *updateSpec) {
	switch {
	case l == (Lock{}):
		return
	case (l.Header == "") == (l.Field == ""):
		f.add(key, "the version goes in a header or in a field of the body: name one of the two")
	case l.From == "":
		f.add(key+".from", "is missing: where the version stands when a record is read, header:ETag or a path")
	case l.Header != "" && !headerName.MatchString(l.Header):
		f.add(key+".header", "%q is no header's name", l.Header)
	}
	out.lock, out.body = f.source(key+".from", l.From), f.path(key+".field", l.Field)
}

func (f *faults) batch(key string, set Batch) *batchSpec {
	if set == (Batch{}) {
		return nil
	}
	b := &batchSpec{Batch: set}
	b.Method = cmpOr(set.Method, http.MethodPost)
	f.oneOf(key+".method", b.Method, http.MethodPost, http.MethodPatch, http.MethodPut)
	f.urlPath(key+".path", set.Path, nil)
	if set.Path == "" {
		f.add(key+".path", "is missing")
	}
	if set.Max < 2 || set.Max > maxBatch {
		f.add(key+".max", "is not between 2 and %d: how many records a call may hold", maxBatch)
	}
	b.results, b.key, b.send = f.path(key+".results", cmpOr(set.Results, "$")), f.path(key+".key", set.Key), f.path(key+".send", set.Send)
	b.record, b.status, b.fault = f.path(key+".record", cmpOr(set.Record, "$")), f.path(key+".status", set.Status), f.path(key+".error", set.Error)
	if !b.key.given {
		f.add(key+".key", "is missing: where a result says whose it is; results are never matched by position")
	}
	if !b.status.given && !b.fault.given {
		f.add(key+".error", "is missing: where a result says that its record was refused, or its status")
	}
	return b
}

func (f *faults) acts(key string, o *object) {
	for _, a := range []struct {
		key string
		act Act
	}{{"archive", o.set.Archive}, {"delete", o.set.Delete}, {"restore", o.set.Restore}} {
		k := key + "." + a.key
		if a.act.Path == "" {
			if a.act.Method != "" || len(a.act.Body) > 0 {
				f.add(k+".path", "is missing")
			}
			continue
		}
		f.urlPath(k+".path", a.act.Path, []string{"id"})
		f.oneOf(k+".method", cmpOr(a.act.Method, defaultAct(a.key)), http.MethodPost, http.MethodPatch, http.MethodPut, http.MethodDelete)
		f.headers(k+".headers", a.act.Header)
		f.queryTemplates(k+".query", a.act.Query, []string{"id"}, nil)
		for _, name := range slices.Sorted(maps.Keys(a.act.Body)) {
			if _, ok := o.fields[name]; !ok {
				f.add(k+".body", "%q is not among the fields", name)
			}
		}
	}
	if o.set.Archive.Path != "" && !o.archived.given {
		f.add(key+".archive", "needs archived: how a record shows that it is in the bin")
	}
	if o.archived.given && len(o.set.Archived.Is) == 0 {
		o.set.Archived.Is = []string{"true"}
	}
	if o.set.Restore.Path != "" && o.set.Archive.Path == "" && o.set.Delete.Path == "" {
		f.add(key+".restore", "takes out of a bin that nothing puts into: archive or delete is missing")
	}
}

// defaultAct is the method of an Act that names none.
func defaultAct(op string) string {
	if op == "restore" {
		return http.MethodPost
	}
	return http.MethodDelete
}
