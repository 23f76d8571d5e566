package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"syncd/control"
)

// syncd OPERATION key=value …: an operator has the daemon do something, by the very
// operation that the command of that name asks for (daemon.Operations).
func (t *telling) operate(c command) error {
	if len(c.words) != 1 {
		return errors.New("want the name of an operation")
	}
	do, known := t.syncd.Operations()[c.words[0]]
	if !known {
		return fmt.Errorf("there is no operation %s", c.words[0])
	}
	values, err := t.filled(c.values)
	if err != nil {
		return err
	}
	args := map[string]any{}
	for key, v := range values {
		if args[key] = v; v == "true" {
			args[key] = true
		}
	}
	if c.words[0] == "run.apply" && args["run"] == nil {
		args["run"] = t.planned
	}
	raw, err := json.Marshal(args)
	if err != nil {
		return err
	}
	answer, err := t.insist(do, control.Call{Actor: "operator", Reason: "the scenario", Args: raw})
	if err != nil {
		return err
	}
	if err := t.heed(answer); err != nil {
		return err
	}
	t.wakeAll(0)
	return t.noteSchema()
}

// insist asks as long as an identity is being worked on, which a crash may make a
// minute: the command's own answer is to try again.
func (t *telling) insist(do control.Operation, call control.Call) (answer []byte, err error) {
	for limit := t.s.now.Add(findLimit); ; t.pass(time.Second) {
		out, err := do(context.Background(), call)
		var busy bool
		if err == nil {
			if answer, err = json.Marshal(out); err != nil {
				return nil, err
			}
			var many struct{ Counts map[string]int }
			busy = json.Unmarshal(answer, &many) == nil && many.Counts["busy"] > 0
		} else {
			busy = control.KindOf(err) == control.KindHeld && strings.Contains(err.Error(), "is being worked on")
		}
		if !busy || t.s.now.After(limit) {
			return answer, err
		}
	}
}

// heed keeps the number of a plan, and makes a problem of a record the story's.
func (t *telling) heed(answer []byte) error {
	var got struct {
		Run      int64
		Problems []struct{ Record, What string }
	}
	if json.Unmarshal(answer, &got) != nil { // a list, which says nothing of either
		return nil
	}
	if got.Run != 0 {
		t.planned = got.Run
	}
	for _, p := range got.Problems {
		return fmt.Errorf("%s %s", p.Record, p.What)
	}
	return nil
}

// describe SYSTEM: it is asked what its objects look like, as once a day.
func (t *telling) describeAgain(c command) error {
	if len(c.words) != 1 || t.vendors[c.words[0]] == nil {
		return errors.New("want a system")
	}
	t.syncd.SchemaDoubt(c.words[0], "", "")
	return t.noteSchema()
}

// noteSchema begins the flows anew if what they began with is not so any more.
func (t *telling) noteSchema() error {
	if !t.syncd.SchemaMoved(context.Background()) {
		return nil
	}
	return t.restart()
}

// restart ends the daemons and starts them.
func (t *telling) restart() error {
	for _, r := range t.replicas {
		r.killTasks()
	}
	if err := t.prepare(); err != nil {
		return err
	}
	t.learnColumns()
	for _, r := range t.replicas {
		if err := r.boot(); err != nil {
			return err
		}
	}
	t.wakeAll(0)
	return nil
}

// addfield SYSTEM OBJECT NAME KIND: the account gets a field of its own.
func (w *world) addField(words []string) error {
	if len(words) != 4 {
		return errors.New("want a system, an object, the field and its kind")
	}
	people, ok := w.vendors[words[0]].people.(crmPeople)
	if !ok {
		return errNotThere
	}
	return people.sim.UserProperty(words[1], words[2], words[3], false)
}

// dropfield SYSTEM OBJECT NAME: a field of the account's own is taken away.
func (t *telling) dropField(c command) error {
	if len(c.words) != 3 || t.vendors[c.words[0]] == nil {
		return errors.New("want a system, an object and the field")
	}
	people, ok := t.vendors[c.words[0]].people.(crmPeople)
	if !ok {
		return errNotThere
	}
	return people.sim.UserPropertyArchive(c.words[1], c.words[2])
}

// doubtSchema is told by the flows of a story that a system does not know a field:
// the daemon asks it soon what its objects look like.
func (w *world) doubtSchema(system, object, field string) {
	if w.story == nil {
		return
	}
	w.syncd.SchemaDoubt(system, object, field)
	w.s.after(time.Second, func() {
		if err := w.story.run.noteSchema(); err != nil {
			w.violate("boot", "", "%v", err)
		}
	})
}
