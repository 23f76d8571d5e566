package flows_test

import (
	"fmt"
	"strconv"
	"strings"

	"syncd/simulator"
	"syncd/store"
)

// People.

func (w *world) person(system string, n int) string {
	w.t.Helper()
	return w.create(system, map[string]string{"firstname": "Ann", "lastname": "Lee" + strconv.Itoa(n), "email": fmt.Sprintf("ann%d@x.example", n)})
}

// create makes a record as a person does, in the CRM's words.
func (w *world) create(system string, v map[string]string) string {
	w.t.Helper()
	if system != erp {
		id, err := w.hubs[system].UserCreate(contacts, v)
		if err != nil {
			w.t.Fatal(err)
		}
		return id
	}
	id, err := w.erp.UserCreate(partners, odooWords(v))
	if err != nil {
		w.t.Fatal(err)
	}
	return strconv.FormatInt(id, 10)
}

func (w *world) edit(system, id string, v map[string]string) {
	w.t.Helper()
	var err error
	if system != erp {
		err = w.hubs[system].UserEdit(contacts, id, v)
	} else {
		n, _ := strconv.ParseInt(id, 10, 64)
		err = w.erp.UserWrite(partners, n, odooWords(v))
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func odooWords(v map[string]string) map[string]any {
	out := map[string]any{}
	for k, x := range v {
		switch k {
		case "firstname", "lastname":
			out["name"] = strings.TrimSpace(v["firstname"] + " " + v["lastname"])
		case "jobtitle":
			out["function"] = x
		default:
			out[k] = x
		}
	}
	return out
}

// What the vendors hold.

// get gives a record in canonical words: rows of the link, and token and
// inverse ids under their columns.
func (w *world) get(system, id string) map[string]string {
	w.t.Helper()
	raw := map[string]string{}
	if system != erp {
		v, ok := w.hubs[system].Get(contacts, id)
		if !ok {
			w.t.Fatalf("%s has no record %s", system, id)
		}
		raw = v
		for _, c := range []string{"firstname", "lastname", "email", "phone", "jobtitle", "city"} {
			raw[c] += ""
		}
	} else {
		n, _ := strconv.ParseInt(id, 10, 64)
		v, ok := w.erp.Get(partners, n)
		if !ok {
			w.t.Fatalf("%s has no record %s", system, id)
		}
		for k, x := range v {
			if s, ok := x.(string); ok {
				raw[k] = s
			} else if x == false {
				raw[k] = ""
			}
		}
	}
	out := map[string]string{}
	for _, r := range w.link.Rows {
		out[r.Name()], _ = r.Get(system, raw)
	}
	for k, v := range raw {
		if strings.HasSuffix(k, "_id") || k == tokenOf(system) {
			out[k] = v
		}
	}
	return out
}

// births gives the ids of every record ever made of a system.
func (w *world) births(system string) []string {
	if system == erp {
		return w.erp.Truth().Births(partners)
	}
	return w.hubs[system].Truth().Births(contacts)
}

func (w *world) calls(system string) []simulator.Call {
	if system == erp {
		return w.erp.Truth().Calls()
	}
	return w.hubs[system].Truth().Calls()
}

func (w *world) faults(system string) *simulator.Faults {
	if system == erp {
		return w.erp.Faults()
	}
	return w.hubs[system].Faults()
}

// counting gives a function that lists the calls made since.
func (w *world) counting() func() []string {
	begin := map[string]int{}
	for _, s := range w.systems() {
		begin[s] = len(w.calls(s))
	}
	return func() []string {
		var out []string
		for _, s := range w.systems() {
			for _, c := range w.calls(s)[begin[s]:] {
				out = append(out, s+" "+c.Op)
			}
		}
		return out
	}
}

func (w *world) systems() []string {
	var out []string
	for _, m := range w.link.Members {
		out = append(out, m.System)
	}
	return out
}

// pair gives the record that a record is paired with.
func (w *world) pair(system, id, other string) string {
	w.t.Helper()
	ps, err := w.store.Pairs(w.t.Context(), store.PairQuery{Link: w.link.Name, SourceSystem: system, SourceID: id, TargetSystem: other})
	if err != nil {
		w.t.Fatal(err)
	}
	if len(ps) != 1 || !ps[0].Active {
		w.t.Fatalf("%s %s has pairs %+v in %s; want one\nwaiting %+v\n%s", system, id, ps, other, w.waiting(), w.tail())
	}
	return ps[0].TargetID
}

func (w *world) identity(system, id string) *store.Identity {
	w.t.Helper()
	h, err := w.store.Holders(w.t.Context(), system, objectOf(system), []string{id})
	if err != nil || h[id] == "" {
		w.t.Fatalf("%s %s belongs to nobody: %v %v", system, id, h, err)
	}
	i, err := w.store.Identity(w.t.Context(), h[id])
	if err != nil {
		w.t.Fatal(err)
	}
	return i
}
