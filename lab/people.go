package lab

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// person is somebody of flesh and blood: the ground truth of who is who.
type person struct {
	n     int
	both  bool                        // made in both systems by people
	nodes map[string]map[string]*node // row → value → the edit that brought it
	like  *person                     // whose record was copied to make this one's; nil: nobody's
}

// kin is whom a person's records may be joined with: a copy has the business
// keys of its original, so a match policy may take the one for the other.
func (p *person) kin() *person {
	for p.like != nil {
		p = p.like
	}
	return p
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
		n := len(w.systems)
		system := w.systems[n-1-int(w.s.rng.Float64()*float64(n))].name
		w.s.after(at, func() { w.bear(p, system) })
		if w.s.chance(w.d.bothSides) {
			p.both = true
			other := w.after(system)
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
		"phone": fmt.Sprintf("+420601%06d", p.n*10+len(p.nodes["phone"])), "jobtitle": canary + "J" + tag, address: "C" + tag, "zip": "Z" + tag,
	}
	if w.keyless(p) {
		delete(values, "email")
	}
	w.bearAs(p, system, values)
}

// bearAs creates a person's record with these values; "" if the vendor refuses.
func (w *world) bearAs(p *person, system string, values map[string]string) string {
	id, err := w.create(system, values)
	if err != nil {
		// The record may be there by now: ours, made for the other side's.
		w.s.note("person %d cannot be made in %s: %v", p.n, system, err)
		return ""
	}
	key := recordKey{system, id}
	w.owner[key] = p
	w.stats.Creations++
	w.s.note("person %d is made in %s as %s", p.n, system, id)
	for row, v := range asOne(values) {
		v = w.form(row, v)
		p.add(row, &node{value: v, first: true, system: system, at: w.s.now})
		w.edits[fieldKey{key, row}] = &lastEdit{at: w.s.now, value: v}
	}
	return id
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

// form is how a value counts where a vendor keeps a form of its own.
func (w *world) form(row, value string) string {
	for _, v := range w.systems {
		if v.shop != nil && v.shop.p.Shout == row {
			return strings.ToLower(value)
		}
	}
	return value
}

// create makes a record as one of the vendor's people does.
func (w *world) create(system string, rows map[string]string) (string, error) {
	return w.vendors[system].people.create(w.columns(system, rows, nil))
}

func (w *world) write(key recordKey, rows map[string]string) error {
	return w.vendors[key.system].people.edit(key.id, w.columns(key.system, rows, w.values(key)))
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
	return w.vendors[key.system].people.values(key.id)
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
	if w.odd(key) {
		return
	}
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
		var others []recordKey
		for _, v := range w.systems {
			for _, other := range w.live(v.name) {
				if other.system != key.system && w.owner[other] == w.owner[key] {
					others = append(others, other)
				}
			}
		}
		switch {
		case len(others) == 0:
		case len(w.systems) == 2:
			w.change(others[0], row, i, who)
		default:
			w.change(others[w.s.rng.IntN(len(others))], row, i, who)
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
	value := map[string]string{
		"full_name": fmt.Sprintf("Jan E%d%s", i, who), "email": fmt.Sprintf("p%de%d%s@example.com", p.n, i, who),
		"phone": fmt.Sprintf("+420602%05d%d", i, who[0]-'a'), "jobtitle": fmt.Sprintf("%sJE%d%s", canary, i, who), address: fmt.Sprintf("CE%d%s", i, who),
	}[row]
	once := fmt.Sprintf("%d %s", p.n, row)
	if row != "full_name" && row != "email" && !w.cleared[once] && w.s.chance(w.d.clears) {
		w.cleared[once] = true
		value = ""
	}
	if value != "" && w.refusedElsewhere(key.system, row) && w.s.chance(w.d.invalid) {
		value = "!" + value
		if w.s.chance(0.8) { // somebody sees it and mends it
			w.s.after(w.s.between(0, 30*time.Minute), func() { w.change(key, row, i, who+"x") })
		}
	}
	rows := map[string]string{row: value}
	if row == address {
		rows = moves(rows, w.canonical(key.system, current)[row], i+int(who[0]))
	}
	w.put(key, rows)
}

// put changes rows of a record by hand, all at once; parts of the group are one.
func (w *world) put(key recordKey, rows map[string]string) {
	p, saw := w.owner[key], w.canonical(key.system, w.values(key))
	if err := w.write(key, rows); err != nil {
		w.s.note("edit of %s %s %v fails: %v", key.system, key.id, slices.Sorted(maps.Keys(rows)), err)
		return
	}
	kept := w.canonical(key.system, w.values(key)) // as the vendor keeps what was typed
	for _, r := range linkRows {
		if _, edited := rows[r.name]; !edited && !(r.name == address && rows["zip"] != "") {
			continue
		}
		w.stats.Edits++
		w.stats.Targets += len(w.systems) - 1
		w.s.note("person %d: %s %s %s: %q -> %q", p.n, key.system, key.id, r.name, saw[r.name], kept[r.name])
		value := w.form(r.name, kept[r.name])
		p.add(r.name, &node{value: value, saw: w.form(r.name, saw[r.name]), system: key.system, at: w.s.now})
		w.edits[fieldKey{key, r.name}] = &lastEdit{at: w.s.now, value: value}
	}
}

// moves makes an edit of the address one of the city, of the zip, or of both.
// It draws nothing.
func moves(rows map[string]string, saw string, n int) map[string]string {
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
	return map[string]string{address: city, "zip": zip}
}

// refusedElsewhere says that some other system refuses values of a row.
func (w *world) refusedElsewhere(system, row string) bool {
	for _, v := range w.systems {
		if v.shop != nil && v.shop.p.Strict != "" && columnOf(row, kindShop) == v.shop.p.Strict {
			return v.name != system && (w.vendors[system].shop == nil || w.vendors[system].shop.p.Strict != v.shop.p.Strict)
		}
	}
	return false
}

// odd is what people do now and then in place of an edit: they copy a record, or
// archive it.
func (w *world) odd(key recordKey) bool {
	s := w.vendors[key.system].shop
	if s == nil {
		return false
	}
	if w.s.chance(w.d.archives) {
		s.archive(key.id)
		w.binned[key] = true
		w.stats.Archives++
		w.s.note("person %d: %s %s is archived", w.owner[key].n, key.system, key.id)
		return true
	}
	if !w.s.chance(w.d.clones) {
		return false
	}
	id := s.clone(key.id)
	p := &person{n: len(w.people), nodes: map[string]map[string]*node{}, like: w.owner[key]}
	w.people = append(w.people, p)
	copied := recordKey{key.system, id}
	w.owner[copied] = p
	w.stats.Creations++
	w.stats.Clones++
	w.s.note("person %d is %s %s, a copy of %s", p.n, key.system, id, key.id)
	for row, v := range w.canonical(key.system, w.values(copied)) {
		v = w.form(row, v)
		p.add(row, &node{value: v, first: true, system: key.system, at: w.s.now})
		w.edits[fieldKey{copied, row}] = &lastEdit{at: w.s.now, value: v}
	}
	return true
}
