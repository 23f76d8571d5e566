package hubspot

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"syncd/connectors"
)

// Kinds of events, what follows the dot (section 10, "Event types").
const (
	eventCreation    = "creation"
	eventDeletion    = "deletion"
	eventMerge       = "merge"
	eventRestore     = "restore"
	eventChange      = "propertyChange"
	eventAssociation = "associationChange"
	eventPrivacy     = "privacyDeletion"
	eventOther       = "other" // one that we do not know, of an object that we do
)

// eventKinds are the kinds that a hint names by the vendor's word.
var eventKinds = []string{
	eventCreation, eventDeletion, eventMerge, eventRestore, eventChange, eventAssociation, eventPrivacy,
}

// What marks the event of the test button in the vendor's UI (section 10).
const (
	testEventID  = "100"
	testObjectID = "123"
	testFlag     = "NEW"
)

// sourceIntegration is the source of changes made by apps.
const sourceIntegration = "INTEGRATION"

// event is one event of a delivery, numbers as text (section 10, "Fields").
type event struct {
	scalars map[string]string
	merged  []string // mergedObjectIds
}

// Parse turns a delivery into hints (section 10). Every value but ids, times
// and the source is dropped: a webhook is never data (SECURITY S4). There is no
// delivery key, since eventId is not unique.
func (r *Receiver) Parse(d connectors.Delivery) (connectors.Events, error) {
	events, err := decodeEvents(d.Body)
	if err != nil {
		return connectors.Events{}, &connectors.Refusal{Reason: connectors.RefusedMalformed, Detail: err.Error()}
	}
	var out connectors.Events
	for _, e := range events {
		if e.fromTestButton() {
			continue
		}
		if r.portalID != "" && e.scalars["portalId"] != r.portalID {
			return connectors.Events{}, &connectors.Refusal{
				Reason: connectors.RefusedAccount,
				Detail: fmt.Sprintf("an event of account %.20q, not of %s", e.scalars["portalId"], r.portalID),
			}
		}
		out.Hints = append(out.Hints, r.hints(e)...)
	}
	return out, nil
}

// fromTestButton says that the event is made up by the vendor's UI.
func (e event) fromTestButton() bool {
	return e.scalars["eventId"] == testEventID && e.scalars["objectId"] == testObjectID &&
		e.scalars["changeFlag"] == testFlag
}

// kind splits the type of an event: "contact.creation".
func (e event) kind() (object, what string) {
	t := e.scalars["subscriptionType"]
	if t == "" {
		t = e.scalars["eventType"]
	}
	object, what, _ = strings.Cut(t, ".")
	return object, what
}

// hints gives the hints of one event, none if it is not about a known object.
func (r *Receiver) hints(e event) []connectors.Hint {
	object, what := e.kind()
	if object == "object" {
		object = e.scalars["objectTypeId"]
	}
	if !slices.Contains(eventKinds, what) {
		what = eventOther
	}
	h := connectors.Hint{What: what, Own: r.own(e)}
	if ms, err := strconv.ParseInt(e.scalars["occurredAt"], 10, 64); err == nil && ms > 0 && ms < 1e16 {
		h.At = time.UnixMilli(ms).UTC()
	}
	switch what {
	case eventMerge:
		return r.mergeHints(h, object, e)
	case eventAssociation:
		return r.associationHints(h, object, e)
	}
	h.Removed = what == eventDeletion || what == eventPrivacy
	if !h.Removed { // nothing newer can be read of what is gone
		h.Version = SortableTime(h.At)
	}
	if what == eventPrivacy {
		h.Erased, h.Own = true, false // whoever did it, what is known of the person has to go
	}
	return r.add(nil, h, object, e.scalars["objectId"])
}

// own says that our app made the change. Batch and association events may lack
// the source (section 10, "Own changes"): then it is not known to be ours.
func (r *Receiver) own(e event) bool {
	return r.appID != "" && e.scalars["changeSource"] == sourceIntegration && e.scalars["sourceId"] == r.appID
}

// add appends a hint about a record if the object is configured and the id is
// one, and is not yet in the list.
func (r *Receiver) add(list []connectors.Hint, h connectors.Hint, object, id string) []connectors.Hint {
	name, known := r.objects[object]
	if !known || !idPattern.MatchString(id) {
		return list
	}
	h.Object, h.RecordID = name, id
	for _, old := range list {
		if old.Object == name && old.RecordID == id {
			return list
		}
	}
	return append(list, h)
}

// mergeHints names the survivor and every id that went into it. In a merge to
// a new id the primary record disappears as well (section 10).
func (r *Receiver) mergeHints(h connectors.Hint, object string, e event) []connectors.Hint {
	survivor := e.scalars["newObjectId"]
	for _, next := range []string{"primaryObjectId", "objectId"} {
		if !idPattern.MatchString(survivor) {
			survivor = e.scalars[next]
		}
	}
	first := h
	first.Version = SortableTime(h.At)
	out := r.add(nil, first, object, survivor)
	for _, id := range append([]string{e.scalars["primaryObjectId"], e.scalars["objectId"]}, e.merged...) {
		out = r.add(out, h, object, id)
	}
	return out
}

// associationHints names the end that shows the association in a field, or both
// if none is known to. An association moves no version.
func (r *Receiver) associationHints(h connectors.Hint, object string, e event) []connectors.Hint {
	from, to, named := strings.Cut(strings.ToLower(e.scalars["associationType"]), "_to_")
	if !named {
		from = object
	}
	if id := e.scalars["fromObjectTypeId"]; id != "" {
		from = id
	}
	if id := e.scalars["toObjectTypeId"]; id != "" {
		to = id
	}
	var out []connectors.Hint
	if !holds(to, from) {
		out = r.add(out, h, from, e.scalars["fromObjectId"])
	}
	if !holds(from, to) {
		out = r.add(out, h, to, e.scalars["toObjectId"])
	}
	return out
}
