package lab

import (
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"syncd/connectors"
	"syncd/simulator/hubspotsim"
	"syncd/simulator/odoosim"
)

// desk is a vendor as its own people use it.
type desk interface {
	create(object string, columns map[string]string) (id string, err error)
	edit(object, id string, columns map[string]string) error
	archive(object, id string) error
	remove(object, id string) error
	restore(object, id string) error
	erase(object, id string) error
	merge(object, winner, loser string) (survivor string, err error)
	// all gives the records that are there by id, archived ones under archived.
	all(object string) map[string]map[string]string
}

// archivedMark is the column in which all says that a record is in the bin.
const archivedMark = "(archived)"

var errNotThere = errors.New("this vendor's people cannot do that")

// desk gives the hands of a system's people.
func (t *telling) desk(system string) desk {
	v := t.vendors[system]
	switch people := v.people.(type) {
	case crmPeople:
		return crmDesk{people.sim}
	case erpPeople:
		return erpDesk{people.sim, t.infos[system].Objects}
	}
	return shopDesk{v.shop}
}

type crmDesk struct{ sim *hubspotsim.Sim }

func (d crmDesk) create(object string, columns map[string]string) (string, error) {
	return d.sim.UserCreate(object, columns)
}
func (d crmDesk) edit(object, id string, columns map[string]string) error {
	return d.sim.UserEdit(object, id, columns)
}
func (d crmDesk) archive(object, id string) error { return d.sim.UserArchive(object, id) }
func (d crmDesk) remove(object, id string) error  { return d.sim.UserArchive(object, id) }
func (d crmDesk) restore(object, id string) error { return d.sim.UserRestore(object, id) }
func (d crmDesk) erase(object, id string) error   { return d.sim.UserErase(object, id) }
func (d crmDesk) merge(object, winner, loser string) (string, error) {
	return d.sim.UserMerge(object, winner, loser)
}
func (d crmDesk) all(object string) map[string]map[string]string { return d.sim.All(object) }

type erpDesk struct {
	sim     *odoosim.Sim
	objects map[string]connectors.Object
}

func (d erpDesk) create(object string, columns map[string]string) (string, error) {
	id, err := d.sim.UserCreate(object, d.typed(object, columns))
	return strconv.FormatInt(id, 10), err
}

func (d erpDesk) edit(object, id string, columns map[string]string) error {
	return d.sim.UserWrite(object, number(id), d.typed(object, columns))
}

func (d erpDesk) archive(object, id string) error {
	return d.sim.UserWrite(object, number(id), map[string]any{"active": false})
}

func (d erpDesk) restore(object, id string) error {
	return d.sim.UserWrite(object, number(id), map[string]any{"active": true})
}

func (d erpDesk) erase(string, string) error { return errNotThere }

func (d erpDesk) remove(object, id string) error { return d.sim.UserUnlink(object, number(id)) }

func (d erpDesk) merge(_, winner, loser string) (string, error) {
	return winner, d.sim.UserMerge(number(winner), number(loser))
}

// typed gives values as Odoo's screens send them.
func (d erpDesk) typed(object string, columns map[string]string) map[string]any {
	out := map[string]any{}
	for c, v := range columns {
		switch d.objects[object].Fields[c].Type {
		case connectors.TypeBool:
			out[c] = v == "true"
			continue
		case connectors.TypeReference:
			if v != "" {
				out[c] = number(v)
				continue
			}
		case connectors.TypeNumber:
			if f, err := strconv.ParseFloat(v, 64); err == nil {
				out[c] = f
				continue
			}
		}
		if out[c] = v; v == "" {
			out[c] = false
		}
	}
	return out
}

func (d erpDesk) all(object string) map[string]map[string]string {
	out := map[string]map[string]string{}
	for id, rec := range d.sim.All(object) {
		values := map[string]string{}
		for c, v := range rec {
			values[c] = plainText(v)
		}
		if rec["active"] == false {
			values[archivedMark] = "true"
		}
		out[strconv.FormatInt(id, 10)] = values
	}
	return out
}

// plainText is a value of Odoo as people would write it; false is empty, which is
// how Odoo shows an empty field of any type but a tick.
func plainText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case bool:
		if v {
			return "true"
		}
		return ""
	case time.Time:
		return v.Format(time.RFC3339)
	}
	return fmt.Sprint(v)
}

type shopDesk struct{ s *shop }

func (d shopDesk) create(_ string, columns map[string]string) (string, error) {
	return d.s.create(columns)
}
func (d shopDesk) edit(_, id string, columns map[string]string) error { return d.s.edit(id, columns) }
func (d shopDesk) archive(_, id string) error {
	if d.s.byID[id] == nil {
		return fmt.Errorf("there is no record %s", id)
	}
	d.s.archive(id)
	return nil
}
func (d shopDesk) remove(_, id string) error {
	d.s.remove(d.s.byID[id], connectors.Delete, byUser)
	return nil
}
func (d shopDesk) restore(_, id string) error {
	d.s.remove(d.s.byID[id], connectors.Restore, byUser)
	return nil
}
func (d shopDesk) erase(string, string) error                   { return errNotThere }
func (d shopDesk) merge(string, string, string) (string, error) { return "", errNotThere }

func (d shopDesk) all(string) map[string]map[string]string {
	out := map[string]map[string]string{}
	for id, it := range d.s.byID {
		out[id] = maps.Clone(it.values)
		if it.archived {
			out[id][archivedMark] = "true"
		}
	}
	return out
}
