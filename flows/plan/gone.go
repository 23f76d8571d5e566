package plan

// Removal is the policy of a deletion: what a record that went in one system means for the
// records of its identity in the others (DESIGN 6).
type Removal string

// The policies of a deletion.
const (
	RemovalIgnore  Removal = "ignore"  // they stay as they are, and nothing flows to them any more
	RemovalUnpair  Removal = "unpair"  // they stay; their next change gets them a partner again
	RemovalArchive Removal = "archive" // they are archived
	RemovalDelete  Removal = "delete"  // they are deleted
)

// Wins says what beats what where one side deleted and another edited (F36).
type Wins string

// Who may win.
const (
	WinsUpdate Wins = "update" // the record comes back
	WinsDelete Wins = "delete" // the edit goes with its record; the history keeps it
	WinsAsk    Wins = "ask"
)

// Fate is what becomes of an identity of which a record went.
type Fate string

// The fates.
const (
	FateLeave  Fate = "leave"  // only what went is noted
	FateRemove Fate = "remove" // the other records go, too
	FateRevive Fate = "revive" // what went comes back
	FateAsk    Fate = "ask"    // a person decides
)

// AfterLoss says what becomes of the records that are left when one is proved to be
// gone. Others are those that may be written, as just read. A deletion never reaches
// a side that changed since its base, unless deletions are to win.
func AfterLoss(rules Rules, policy Removal, wins Wins, others []Side) Fate {
	if policy != RemovalArchive && policy != RemovalDelete {
		return FateLeave
	}
	for _, s := range others {
		switch {
		case len(Changed(rules, s)) == 0:
		case wins == WinsDelete:
		case wins == WinsAsk:
			return FateAsk
		default:
			return FateRevive
		}
	}
	return FateRemove
}

// Changed lists the rows in which a side differs from its own base by somebody
// else's doing: not by a write of ours that is still to be confirmed or landed late.
func Changed(rules Rules, s Side) []string {
	if s.Presence != Present || rules.Silent[s.System] {
		return nil
	}
	var out []string
	for _, r := range rules.Rows {
		if !r.has(s.System) || (r.From != "" && r.From != s.System) {
			continue
		}
		v, shown := s.Values[r.Name]
		b, known := s.Base[r.Name]
		if !shown || !known || b.Never || b.V == v || s.late(r.Name) {
			continue
		}
		if s.Intent != nil {
			if e, open := s.Intent.Fields[r.Name]; open && e.W == v {
				continue
			}
		}
		out = append(out, r.Name)
	}
	return out
}
