package hubspotsim

import (
	"encoding/json"
	"strconv"
)

// Kinds of webhook events (vendors/hubspot.md 10).
const (
	eventCreation = "creation"
	eventDeletion = "deletion"
	eventChange   = "propertyChange"
	eventMerge    = "merge"
	eventRestore  = "restore"
	eventPrivacy  = "privacyDeletion"
)

const (
	firstSubscription = 7_562_680
	eventIDSpace      = 1 << 32
	collisionOdds     = 64 // one event in so many has the eventId of the one before
)

// event is one thing that happened, before it is put into JSON.
type event struct {
	id, subscription int64
	kind             string
	table            *table
	object, at       int64
	by               *actor
	property, value  string
	merge            *mergeFacts
	bond             *bondFacts
}

type mergeFacts struct {
	primary, loser, survivor int64
	moved                    int
}

// wireEvent is an event as delivered (vendors/hubspot.md 10, fields).
type wireEvent struct {
	EventID                 int64   `json:"eventId"`
	SubscriptionID          int64   `json:"subscriptionId"`
	PortalID                int64   `json:"portalId"`
	AppID                   int64   `json:"appId"`
	OccurredAt              int64   `json:"occurredAt"`
	SubscriptionType        string  `json:"subscriptionType"`
	AttemptNumber           int     `json:"attemptNumber"`
	ObjectID                int64   `json:"objectId,omitempty"`
	PropertyName            string  `json:"propertyName,omitempty"`
	PropertyValue           *string `json:"propertyValue,omitempty"`
	IsSensitive             *bool   `json:"isSensitive,omitempty"`
	ChangeFlag              string  `json:"changeFlag,omitempty"`
	ChangeSource            string  `json:"changeSource,omitempty"`
	SourceID                string  `json:"sourceId,omitempty"`
	PrimaryObjectID         int64   `json:"primaryObjectId,omitempty"`
	MergedObjectIDs         []int64 `json:"mergedObjectIds,omitempty"`
	NewObjectID             int64   `json:"newObjectId,omitempty"`
	NumberOfPropertiesMoved *int    `json:"numberOfPropertiesMoved,omitempty"`
	FromObjectID            int64   `json:"fromObjectId,omitempty"`
	ToObjectID              int64   `json:"toObjectId,omitempty"`
	AssociationType         string  `json:"associationType,omitempty"`
	AssociationRemoved      *bool   `json:"associationRemoved,omitempty"`
	IsPrimaryAssociation    *bool   `json:"isPrimaryAssociation,omitempty"`
}

// raise adds an event to the log, if there is a subscription for it. Ids of
// events are not unique, as the vendor warns.
func (s *Sim) raise(e event) {
	if e.kind == eventChange && s.watched != nil && !s.watched[e.property] {
		return
	}
	name := e.table.kind.singular + "." + e.kind + " " + e.property
	if s.subs[name] == 0 {
		s.subs[name] = firstSubscription + int64(len(s.subs))
	}
	e.subscription = s.subs[name]
	e.id = 1 + s.dice.roll(eventIDSpace)
	if n := len(s.events); n > 0 && s.dice.roll(collisionOdds) == 0 {
		e.id = s.events[n-1].id
	}
	s.events = append(s.events, e)
}

// wire puts an event into JSON.
func (s *Sim) wire(e event, attempt int) json.RawMessage {
	w := wireEvent{
		EventID: e.id, SubscriptionID: e.subscription, PortalID: s.o.PortalID, AppID: s.o.AppID, OccurredAt: e.at,
		SubscriptionType: e.table.kind.singular + "." + e.kind, AttemptNumber: attempt, ObjectID: e.object,
		ChangeSource: e.by.source, SourceID: e.by.sourceID,
	}
	switch e.kind {
	case eventCreation:
		w.ChangeFlag = "CREATED"
	case eventDeletion:
		w.ChangeFlag = "DELETED"
	case eventChange:
		w.PropertyName, w.PropertyValue, w.IsSensitive = e.property, &e.value, new(bool)
	case eventAssociation:
		w.FromObjectID, _ = strconv.ParseInt(e.bond.from, 10, 64)
		w.ToObjectID, _ = strconv.ParseInt(e.bond.to, 10, 64)
		w.AssociationType, w.ChangeSource, w.SourceID = e.bond.name(), "", ""
		w.AssociationRemoved, w.IsPrimaryAssociation = &e.bond.removed, &e.bond.primary
	case eventMerge:
		w.PrimaryObjectID, w.MergedObjectIDs, w.NewObjectID = e.merge.primary, []int64{e.merge.loser}, e.merge.survivor
		w.NumberOfPropertiesMoved = &e.merge.moved
	}
	text, err := json.Marshal(w)
	if err != nil {
		panic(err) // numbers and text only
	}
	return text
}

func (s *Sim) wires(list []event, attempt int) []json.RawMessage {
	out := make([]json.RawMessage, len(list))
	for i, e := range list {
		out[i] = s.wire(e, attempt)
	}
	return out
}

// EventsSince gives the events raised since the n-th, oldest first, and the
// number to ask with next time. The log holds every event ever raised, also
// those that nobody was told of.
func (s *Sim) EventsSince(n int) (events []json.RawMessage, next int) {
	list := s.log()
	n = min(max(n, 0), len(list))
	return s.wires(list[n:], 0), len(list)
}

func (s *Sim) log() []event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.events[:len(s.events):len(s.events)]
}
