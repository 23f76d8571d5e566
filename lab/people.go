package lab

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// person is somebody of flesh and blood: the ground truth of who is who.
type person struct {
	n     int
	both  bool                        // made in both systems by people
	nodes map[string]map[string]*node // row → value → the edit that brought it
}

// node is an edit of one row of one person. Values are unique, so that a value
// names its edit.
type node struct {
	value, saw string
	first      bool // brought by a creation: its author saw nothing
	system     string
	at         time.Time
}

type fieldKey struct {
	recordKey
	row string
}

// lastEdit is the newest edit by a person of a row of a record.
type lastEdit struct {
	at    time.Time
	value string
	gone  string // not "": overwritten by us before we had read it
}

// populate plans everything that people will do.
func (w *world) populate() {
	span := time.Duration(w.d.hours * float64(time.Hour))
	for i := range w.d.people {
		p := &person{n: i, nodes: map[string]map[string]*node{}}
		w.people = append(w.people, p)
		at := w.s.between(time.Second, span/2)
		if w.o.Calm {
			at = time.Duration(i+1) * time.Minute
		}
		system := crm
		if w.s.chance(0.5) {
			system = erp
		}
		w.s.after(at, func() { w.bear(p, system) })
		if w.s.chance(w.d.bothSides) {
			p.both = true
			other := map[string]string{crm: erp, erp: crm}[system]
			gap := w.s.between(0, 10*time.Second)
			if w.s.chance(0.3) {
				gap = w.s.between(0, 10*time.Minute)
			}
			w.s.after(at+gap, func() { w.bear(p, other) })
		}
	}
	for i := range w.d.edits {
		at := w.s.between(time.Minute, span)
		if w.o.Calm {
			at = time.Duration(w.d.people+2+i*3) * time.Minute
		}
		w.s.after(at, func() { w.edit(i) })
	}
	w.s.after(span, func() { w.quiet = true })
}

// bear creates a person's record in a system, by hand.
func (w *world) bear(p *person, system string) {
	tag := fmt.Sprintf("%d%s", p.n, system)
	values := map[string]string{
		"full_name": fmt.Sprintf("Jan N%s", tag), "email": fmt.Sprintf("p%d@example.com", p.n),
		"phone": fmt.Sprintf("+420601%06d", p.n*10+len(p.nodes["phone"])), "jobtitle": "J" + tag, address: "C" + tag, "zip": "Z" + tag,
	}
	if w.keyless(p) {
		delete(values, "email")
	}
	id, err := w.create(system, values)
	if err != nil {
		// The record may be there by now: ours, made for the other side's.
		w.s.note("person %d cannot be made in %s: %v", p.n, system, err)
		return
	}
	key := recordKey{system, id}
	w.owner[key] = p
	w.stats.Creations++
	w.s.note("person %d is made in %s as %s", p.n, system, id)
	for row, v := range asOne(values) {
		p.add(row, &node{value: v, first: true, system: system, at: w.s.now})
		w.edits[fieldKey{key, row}] = &lastEdit{at: w.s.now, value: v}
	}
}

// keyless: where class search forgets, a business key would bring the record
// back by itself, so people have none unless it has to join their two records.
func (w *world) keyless(p *person) bool { return w.d.forget && w.d.crmSearch && !p.both }

func (p *person) add(row string, n *node) {
	if p.nodes[row] == nil {
		p.nodes[row] = map[string]*node{}
	}
	if _, known := p.nodes[row][n.value]; !known {
		p.nodes[row][n.value] = n
	}
}

// create makes a record as one of the vendor's people does.
func (w *world) create(system string, rows map[string]string) (string, error) {
	columns := w.columns(system, rows, nil)
	if system == crm {
		return w.crm.UserCreate(contacts, columns)
	}
	id, err := w.erp.UserCreate(partners, anyOf(columns))
	return strconv.FormatInt(id, 10), err
}

func (w *world) write(key recordKey, rows map[string]string) error {
	columns := w.columns(key.system, rows, w.values(key))
	if key.system == crm {
		return w.crm.UserEdit(contacts, key.id, columns)
	}
	id, err := strconv.ParseInt(key.id, 10, 64)
	if err != nil {
		return err
	}
	return w.erp.UserWrite(partners, id, anyOf(columns))
}

func anyOf(columns map[string]string) map[string]any {
	out := map[string]any{}
	for c, v := range columns {
		if out[c] = v; v == "" {
			out[c] = false
		}
	}
	return out
}

// columns renders rows as a system's columns.
func (w *world) columns(system string, rows, current map[string]string) map[string]string {
	out := map[string]string{}
	for _, r := range w.link.Rows {
		if v, ok := rows[r.Name()]; ok {
			maps.Copy(out, r.Put(system, v, current))
		}
	}
	return out
}

// values gives what a vendor's record holds, nil if it is not there.
func (w *world) values(key recordKey) map[string]string {
	if key.system == crm {
		v, ok := w.crm.Get(contacts, key.id)
		if !ok {
			return nil
		}
		for _, r := range linkRows {
			for _, c := range r.crm {
				v[c] += "" // a property that is not set is empty, not unknown
			}
		}
		return v
	}
	id, err := strconv.ParseInt(key.id, 10, 64)
	if err != nil {
		return nil
	}
	rec, ok := w.erp.Get(partners, id)
	if !ok || rec["active"] == false {
		return nil
	}
	out := map[string]string{}
	for c, v := range rec {
		switch v := v.(type) {
		case string:
			out[c] = v
		case bool:
			if out[c] = ""; v {
				out[c] = "true"
			}
		}
	}
	return out
}

// edit lets somebody change a row of a record, and now and then somebody else
// the same row of the same person on the other side.
func (w *world) edit(i int) {
	keys := slices.SortedFunc(maps.Keys(w.owner), func(a, b recordKey) int {
		if a.system != b.system {
			return len(a.system+a.id) - len(b.system+b.id) + cmpText(a.system, b.system)*1000
		}
		return cmpText(fmt.Sprintf("%20s", a.id), fmt.Sprintf("%20s", b.id))
	})
	keys = slices.DeleteFunc(keys, func(k recordKey) bool { return w.values(k) == nil })
	if len(keys) == 0 {
		return
	}
	key := keys[w.s.rng.IntN(len(keys))]
	row := linkRows[w.s.rng.IntN(len(linkRows))].name
	if row == "email" && (w.owner[key].both || w.keyless(w.owner[key])) {
		row = address // the e-mail is what joins the two records of a person
	}
	w.change(key, row, i, "a")
	if w.s.chance(w.d.twinEdits) {
		w.again(key, row, i, "b", false)
	}
	if w.s.chance(w.d.bursts) {
		for n := range 1 + w.s.rng.IntN(4) {
			w.again(key, row, i, string(rune('c'+n)), w.s.chance(0.5))
		}
	}
}

// again has the same row of the same person changed once more soon, on the same
// side or on the other.
func (w *world) again(key recordKey, row string, i int, who string, sameSide bool) {
	w.s.after(time.Duration(w.s.rng.ExpFloat64()*float64(w.d.burstGap)), func() {
		if sameSide {
			w.change(key, row, i, who)
			return
		}
		for _, other := range append(w.live(crm), w.live(erp)...) {
			if other.system != key.system && w.owner[other] == w.owner[key] {
				w.change(other, row, i, who)
				return
			}
		}
	})
}

func cmpText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// change is one edit by hand; its author sees the record as it is.
func (w *world) change(key recordKey, row string, i int, who string) {
	current := w.values(key)
	p := w.owner[key]
	if current == nil {
		return
	}
	saw := w.canonical(key.system, current)[row]
	value := map[string]string{
		"full_name": fmt.Sprintf("Jan E%d%s", i, who), "email": fmt.Sprintf("p%de%d%s@example.com", p.n, i, who),
		"phone": fmt.Sprintf("+420602%05d%d", i, who[0]-'a'), "jobtitle": fmt.Sprintf("JE%d%s", i, who), address: fmt.Sprintf("CE%d%s", i, who),
	}[row]
	rows := map[string]string{row: value}
	once := fmt.Sprintf("%d %s", p.n, row)
	if row != "full_name" && row != "email" && !w.cleared[once] && w.s.chance(w.d.clears) {
		w.cleared[once] = true
		value = ""
	}
	if rows[row] = value; row == address {
		rows, value = moves(rows, saw, i+int(who[0]))
	}
	if err := w.write(key, rows); err != nil {
		w.s.note("edit of %s %s %s fails: %v", key.system, key.id, row, err)
		return
	}
	w.stats.Edits++
	w.s.note("person %d: %s %s %s: %q -> %q", p.n, key.system, key.id, row, saw, value)
	p.add(row, &node{value: value, saw: saw, system: key.system, at: w.s.now})
	w.edits[fieldKey{key, row}] = &lastEdit{at: w.s.now, value: value}
}

// moves makes an edit of the address one of the city, of the zip, or of both,
// and gives what the whole becomes. It draws nothing.
func moves(rows map[string]string, saw string, n int) (parts map[string]string, whole string) {
	city, zip, _ := strings.Cut(saw, "|")
	value := rows[address]
	switch {
	case value == "" || n%3 == 0:
		city, zip = value, strings.Replace(value, "C", "Z", 1)
	case n%3 == 1:
		city = value
	default:
		zip = strings.Replace(value, "C", "Z", 1)
	}
	return map[string]string{address: city, "zip": zip}, city + "|" + zip
}

// wasRead notes that a read of ours of a record was taken at the vendor.
func (w *world) wasRead(system, id string) {
	key := recordKey{system, id}
	w.reads[key] = w.s.now
	if at, waits := w.acked[key]; waits && !at.After(w.s.now) {
		delete(w.acked, key)
	}
}

// follow takes in what changed at a vendor since the last look: records that
// syncd made, and edits that it overwrote unread. late: the write that made them
// outlived its sender's patience.
func (w *world) follow(v *vendor, late bool) {
	changes := v.truth.Changes()
	for _, c := range changes[v.changes:] {
		if c.Object != objectOf[v.name] || len(c.Actor) < 4 || c.Actor[:4] != "app:" {
			continue
		}
		w.stats.Writes++
		key := recordKey{v.name, c.ID}
		w.s.note("   truth %s %s born=%v %s", v.name, c.ID, c.Born, sortedValues(c.Values))
		if c.Born {
			w.made(key, c.Values)
			continue
		}
		mapped := w.canonical(v.name, w.values(key))
		for _, r := range linkRows {
			columns := r.crm
			if v.name == erp {
				columns = r.erp
			}
			if !slices.ContainsFunc(columns, func(col string) bool { _, ok := c.Values[col]; return ok }) {
				continue
			}
			w.stats.FieldWrites++
			if late {
				w.belated(w.owner[key], r.name)[mapped[r.name]] = true
			}
			e := w.edits[fieldKey{key, r.name}]
			if e != nil && mapped[r.name] != e.value && e.at.After(w.reads[key]) && e.gone == "" {
				e.gone = mapped[r.name]
				if w.edits[fieldKey{key, r.name}] == e {
					w.s.note("   the edit %q of %s %s %s is overwritten unread", e.value, v.name, c.ID, r.name)
				}
				w.lost(key, r.name, e.value)
			}
		}
	}
	v.changes = len(changes)
}

func sortedValues(m map[string]string) string {
	out := ""
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out += k + "=" + m[k] + " "
	}
	return out
}

// made notes whose a record is that syncd created: its inverse id says for
// which record.
func (w *world) made(key recordKey, values map[string]string) {
	from := recordKey{erp, values["erp_id"]}
	if key.system == erp {
		from = recordKey{crm, values["x_crm_id"]}
	}
	p := w.owner[from]
	if p == nil {
		w.violate("truth", key.id, "%s %s was created for %s %s, which is nobody's", key.system, key.id, from.system, from.id)
		return
	}
	w.owner[key], w.origin[key] = p, from
}
