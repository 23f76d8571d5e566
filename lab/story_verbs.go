package lab

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"syncd/store"
)

// verbs are what can happen in a story: by people at a vendor, to the network, or
// by an operator of syncd.
var verbs map[string]func(t *telling, c command) error

func init() {
	verbs = map[string]func(t *telling, c command) error{
		"create":      (*telling).create,
		"edit":        (*telling).editRecord,
		"copy":        (*telling).copyRecord,
		"archive":     handled(desk.archive),
		"forget":      handled(eraseAt),
		"delete":      handled(desk.remove),
		"restore":     handled(desk.restore),
		"erase":       handled(desk.erase),
		"merge":       (*telling).mergeRecords,
		"rest":        func(t *telling, _ command) error { t.rest(); return nil },
		"stop":        func(t *telling, _ command) error { t.stopped = true; return nil },
		"sweep":       (*telling).sweepSome,
		"down":        func(t *telling, c command) error { return t.away(c, true) },
		"up":          func(t *telling, c command) error { return t.away(c, false) },
		"crash":       func(t *telling, _ command) error { t.replicas[0].crash(); return nil },
		"hold":        (*telling).closeHold,
		"reconfigure": (*telling).reconfigure,
		"release":     (*telling).openHold,
		"look":        (*telling).lookAt,
		"reuse":       (*telling).reuseID,
		"syncd":       (*telling).operate,
		"describe":    (*telling).describeAgain,
		"addfield":    func(t *telling, c command) error { return t.addField(c.words) },
		"dropfield":   (*telling).dropField,
	}
}

// eraseAt has a vendor erase a record for good, as a privacy request does.
func eraseAt(d desk, object, id string) error {
	c, ok := d.(crmDesk)
	if !ok {
		return errNotThere
	}
	return c.sim.UserErase(object, id)
}

// create NAME@SYSTEM [OBJECT] column=value …
func (t *telling) create(c command) error {
	if len(c.words) == 0 || len(c.words) > 2 {
		return errors.New("want the name of the new record, and its object if the system has several")
	}
	name, r, err := t.fresh(c.words[0])
	if err != nil {
		return err
	}
	if r.object, err = t.objectOf(r.system, c.words[1:]); err != nil {
		return err
	}
	values, err := t.filled(c.values)
	if err != nil {
		return err
	}
	if r.id, err = t.desk(r.system).create(r.object, values); err != nil {
		return err
	}
	t.name(name, r)
	return nil
}

// fresh splits the name of a record that is to be.
func (t *telling) fresh(name string) (string, ref, error) {
	_, system, ok := strings.Cut(name, "@")
	if !ok || t.vendors[system] == nil {
		return "", ref{}, fmt.Errorf("%s is no name of a record: want name@system, with one of the systems %v", name, t.d.systems)
	}
	if _, taken := t.refs[name]; taken {
		return "", ref{}, fmt.Errorf("%s is there already", name)
	}
	return name, ref{system: system}, nil
}

func (t *telling) objectOf(system string, words []string) (string, error) {
	objects := t.vendors[system].objects
	if len(words) == 1 {
		return words[0], nil
	}
	if len(objects) != 1 {
		return "", fmt.Errorf("%s has the objects %v: say which", system, objects)
	}
	return objects[0], nil
}

func (t *telling) name(name string, r ref) {
	t.refs[name], t.names[r] = r, name
	t.order = append(t.order, name)
}

// edit NAME column=value …: by the vendor's people, who may write any column.
func (t *telling) editRecord(c command) error {
	r, err := t.only(c)
	if err != nil {
		return err
	}
	values, err := t.filled(c.values)
	if err != nil {
		return err
	}
	return t.desk(r.system).edit(r.object, r.id, values)
}

// copy NEW OLD [column=value …]: as a vendor's own "duplicate" does, with every
// column but those named.
func (t *telling) copyRecord(c command) error {
	if len(c.words) != 2 {
		return errors.New("want the name of the copy and that of the original")
	}
	name, r, err := t.fresh(c.words[0])
	if err != nil {
		return err
	}
	from, err := t.find(c.words[1])
	if err != nil {
		return err
	}
	values, err := t.filled(c.values)
	if err != nil {
		return err
	}
	if from.system != r.system {
		return fmt.Errorf("a record of %s is not copied into %s", from.system, r.system)
	}
	all := map[string]string{}
	held := t.desk(from.system).all(from.object)[from.id]
	for _, column := range t.columns(from.system, from.object) {
		if v := held[column]; v != "" {
			all[column] = v
		}
	}
	maps.Copy(all, values)
	if r.object = from.object; err == nil {
		r.id, err = t.desk(r.system).create(r.object, all)
	}
	if err != nil {
		return err
	}
	t.name(name, r)
	return nil
}

// reuse NEW OLD column=value …: a shop gives the id of a record that it lost to
// another one, as a restored backup does (CORRECTNESS F42).
func (t *telling) reuseID(c command) error {
	if len(c.words) != 2 {
		return errors.New("want the name of the new record and that of the one whose id it gets")
	}
	name, _, err := t.fresh(c.words[0])
	if err != nil {
		return err
	}
	r, err := t.find(c.words[1])
	if err != nil {
		return err
	}
	s := t.vendors[r.system].shop
	if s == nil {
		return errNotThere
	}
	t.name(name, r)
	it := s.byID[r.id]
	clear(it.values)
	it.born = t.s.now.Truncate(time.Millisecond)
	s.store(it, c.values, byUser)
	return nil
}

// handled makes a verb of what is done to one record by hand.
func handled(do func(d desk, object, id string) error) func(t *telling, c command) error {
	return func(t *telling, c command) error {
		r, err := t.only(c)
		if err != nil {
			return err
		}
		return do(t.desk(r.system), r.object, r.id)
	}
}

// merge LOSER into WINNER
func (t *telling) mergeRecords(c command) error {
	if len(c.words) != 3 || c.words[1] != "into" {
		return errors.New("want: merge LOSER into WINNER")
	}
	loser, err := t.find(c.words[0])
	if err != nil {
		return err
	}
	winner, err := t.find(c.words[2])
	if err != nil {
		return err
	}
	id, err := t.desk(winner.system).merge(winner.object, winner.id, loser.id)
	if err == nil && id != winner.id {
		name := t.names[winner] + "'" // the survivor has an id of its own
		t.name(name, ref{winner.system, winner.object, id})
	}
	return err
}

// sweep [SYSTEM …]
func (t *telling) sweepSome(c command) error {
	for _, v := range t.systems {
		if len(c.words) == 0 || slices.Contains(c.words, v.name) {
			t.replicas[0].sweep(v.name)
		}
	}
	return nil
}

// down SYSTEM, up SYSTEM
func (t *telling) away(c command, away bool) error {
	if len(c.words) != 1 || t.vendors[c.words[0]] == nil {
		return errors.New("want a system")
	}
	if t.inject.away == nil {
		t.inject.away = map[string]bool{}
	}
	t.inject.away[c.words[0]] = away
	return nil
}

// reconfigure NAME: the daemons end and start again with the section "links NAME".
func (t *telling) reconfigure(c command) error {
	if len(c.words) != 1 {
		return errors.New("want the name of a section of links")
	}
	if err := t.st.choose(c.words[0]); err != nil {
		return err
	}
	return t.restart()
}

// hold SYSTEM LINK WHAT
func (t *telling) closeHold(c command) error {
	if len(c.words) != 3 {
		return errors.New("want a system, a link (or *) and what is held: all, writes, creates, deletes")
	}
	return t.db.CloseHold(context.Background(), store.Hold{System: c.words[0], Link: linkOf(c.words[1]), What: c.words[2], Reason: "scenario"})
}

// release SYSTEM LINK WHAT [REASON]: what the first plan releases, too.
func (t *telling) openHold(c command) error {
	if len(c.words) < 3 {
		return errors.New("want a system, a link (or *), what is held, and its reason if it was not the scenario's")
	}
	reason := strings.Join(c.words[3:], " ")
	if reason == "" {
		reason = "scenario"
	}
	err := t.db.ReleaseHold(context.Background(), c.words[0], linkOf(c.words[1]), c.words[2], reason, "the scenario")
	t.wakeAll(0)
	return err
}

func linkOf(word string) string { return strings.TrimPrefix(word, "*") }

// look NAME: an operator has a record looked at.
func (t *telling) lookAt(c command) error {
	r, err := t.only(c)
	if err != nil {
		return err
	}
	t.wakeAll(0)
	return t.db.Enqueue(context.Background(), []store.Hint{{System: r.system, Object: r.object, RecordID: r.id, Lane: store.LaneLive, Cause: "operator"}})
}

// only finds the one record that a command names.
func (t *telling) only(c command) (ref, error) {
	if len(c.words) != 1 {
		return ref{}, errors.New("want the name of one record")
	}
	return t.find(c.words[0])
}

// findLimit is how long an event waits for a record that syncd has yet to make.
const findLimit = time.Hour

// find gives the record of a name: one that people made, or that of the same
// stem which syncd made in the system that is named.
func (t *telling) find(name string) (ref, error) {
	if r, ok := t.refs[name]; ok {
		return r, nil
	}
	stem, system, ok := strings.Cut(name, "@")
	if !ok || t.vendors[system] == nil {
		return ref{}, fmt.Errorf("%s is no name of a record", name)
	}
	for limit := t.s.now.Add(findLimit); ; {
		if r, ok := t.partner(stem, system); ok {
			t.name(name, r)
			return r, nil
		}
		if !t.s.step(limit) {
			return ref{}, fmt.Errorf("there is no %s after %v", name, findLimit)
		}
	}
}

// partner finds what is paired with a named record of a stem.
func (t *telling) partner(stem, system string) (ref, bool) {
	pairs, err := t.db.Pairs(context.Background(), store.PairQuery{Limit: 10_000, TargetSystem: system})
	if err != nil {
		t.violate("store", "", "pairs: %v", err)
	}
	for _, p := range pairs {
		name := t.names[ref{p.SourceSystem, p.SourceObject, p.SourceID}]
		if own, _, _ := strings.Cut(name, "@"); own == stem && p.Active {
			return ref{p.TargetSystem, p.TargetObject, p.TargetID}, true
		}
	}
	return ref{}, false
}

var (
	idOf    = regexp.MustCompile(`<([a-z0-9_']+@[a-z0-9_]+)>`)
	tokenOf = regexp.MustCompile(`<ref:([a-z0-9_']+@[a-z0-9_]+)>`)
)

// filled puts ids and tokens in the place of <name> and <ref:name>.
func (t *telling) filled(values map[string]string) (map[string]string, error) {
	out := map[string]string{}
	var bad error
	for column, v := range values {
		v = tokenOf.ReplaceAllStringFunc(v, func(m string) string {
			r, err := t.find(tokenOf.FindStringSubmatch(m)[1])
			bad = errors.Join(bad, err)
			return t.desk(r.system).all(r.object)[r.id][t.infos[r.system].Objects[r.object].TokenField]
		})
		out[column] = idOf.ReplaceAllStringFunc(v, func(m string) string {
			r, err := t.find(idOf.FindStringSubmatch(m)[1])
			bad = errors.Join(bad, err)
			return r.id
		})
	}
	return out, bad
}
