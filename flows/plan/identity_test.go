package plan

import "testing"

func TestWhatAStrangersKeyMeans(t *testing.T) {
	for _, c := range []struct {
		name string
		f    KeyFacts
		want KeyMeans
	}{
		{"its identity has no record here", KeyFacts{Seat: SeatFree}, KeyJoins},
		{"its identity creates one here just now", KeyFacts{Seat: SeatWaits}, KeyWaits},
		{"its identity has another record here", KeyFacts{Seat: SeatAnother}, KeyTaken},
		{"two records here carry it, its identity has none", KeyFacts{Seat: SeatFree, Twins: true}, KeyTaken},
		{"two records here carry it, nobody knows the named one", KeyFacts{Seat: SeatNobody, Named: NamedShown, Twins: true}, KeyTaken},
		{"nobody knows the named record, and it is there", KeyFacts{Seat: SeatNobody, Named: NamedShown}, KeyStarts},
		{"the named record is not shown yet", KeyFacts{Seat: SeatNobody, Named: NamedFresh}, KeyEarly},
		{"the named record is not there", KeyFacts{Seat: SeatNobody, Named: NamedMissing}, KeyMissing},
		{"the named record is out of scope", KeyFacts{Seat: SeatNobody, Named: NamedExcluded}, KeyExcluded},
		{"nothing is known", KeyFacts{}, KeyMissing},
	} {
		if got := MeetByKey(c.f); got != c.want {
			t.Errorf("%s: %s; want %s", c.name, got, c.want)
		}
	}
}

func TestWhoMovedAKey(t *testing.T) {
	for _, c := range []struct {
		name              string
		shown, must, last string
		want              bool
	}{
		{"as it must be", "7", "7", "7", false},
		{"emptied by a person", "", "7", "7", false},
		{"not written yet", "", "7", "", false},
		{"typed over by a person", "8", "7", "7", true},
		{"never seen right, as where a link changes its mode", "8", "7", "", true},
		{"the record of the system of record has a new id", "7", "9", "7", false},
	} {
		if got := KeyMoved(c.shown, c.must, c.last); got != c.want {
			t.Errorf("%s: %t; want %t", c.name, got, c.want)
		}
	}
}

func TestWhoMovedASharedID(t *testing.T) {
	const id = "external_id"
	side := func(system, base, now string) Side {
		s := Side{System: system, Presence: Present, Values: map[string]string{id: now}}
		if base != "" {
			s.Base = Base{id: {V: base, R: "1"}}
		}
		return s
	}
	creating := Side{System: "b", Presence: Creating}
	open := side("b", "1", "1")
	open.Base[id] = BaseEntry{V: "0", R: "1"}
	open.Intent = &Intent{Fields: map[string]IntentEntry{id: {W: "1"}}}
	for _, c := range []struct {
		name  string
		sides []Side
		want  string
	}{
		{"nobody", []Side{side("a", "1", "1"), side("b", "1", "1")}, ""},
		{"one side", []Side{side("a", "1", "2"), side("b", "1", "1")}, "a"},
		{"one side emptied it", []Side{side("a", "1", "1"), side("b", "1", "")}, "b"},
		{"both, apart", []Side{side("a", "1", "2"), side("b", "1", "3")}, "a"},
		{"both, alike: a renumbering", []Side{side("a", "1", "2"), side("b", "1", "2")}, ""},
		{"both emptied it", []Side{side("a", "1", ""), side("b", "1", "")}, "a"},
		{"the pair is being made", []Side{side("a", "", "1"), creating}, ""},
		{"before the partner is created", []Side{side("a", "1", "2"), creating}, "a"},
		{"our own write is under way", []Side{side("a", "1", "1"), open}, ""},
	} {
		if got := SharedIDMoved(id, c.sides); got != c.want {
			t.Errorf("%s: %q; want %q", c.name, got, c.want)
		}
	}
}
