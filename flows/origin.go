package flows

import (
	"context"
	"strings"

	"syncd/connectors"
	"syncd/mapping"
)

// adoptOrigins finds the record that an identity began with, after the database
// was lost before its token was written there: what came back first is a record of
// ours, which carries the token and the origin's id. The token is a function of the
// origin (CORRECTNESS 3.1 rule 4), so the record that the inverse id names proves
// by itself whether it is the one. Without this a second record would be made in
// the very system that the first one comes from (I13).
func (b *batch) adoptOrigins(ctx context.Context, at place, absent []pending) {
	named := map[string]pending{}
	var ids []string
	for _, p := range absent {
		if id := p.named(); id != "" {
			named[id] = p
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return
	}
	sights, err := b.read(ctx, request{at, dedupe(ids)})
	if err != nil {
		list := make([]pending, 0, len(named))
		for _, id := range ids {
			list = append(list, named[id])
		}
		b.endPendings(list, err)
		return
	}
	for _, id := range ids {
		s, p := sights[id], named[id]
		if s.Sight == connectors.SightFound && s.Record.ID == id && b.isOrigin(p, at, &s.Record) {
			b.bindFound(ctx, p, s.Record, "adopt", false)
		}
	}
}

// named gives the record that the source says its partner is, "" if none. A record
// that nobody has brought over yet names none.
func (p pending) named() string {
	source := p.unit.member(p.unit.source)
	if source == nil || source.record == nil {
		return ""
	}
	if column := source.rule.Inverse[p.member.stored.System]; column != "" {
		return strings.TrimSpace(source.record.Values[column])
	}
	return ""
}

// isOrigin says that an identity's id was derived from this very record.
func (b *batch) isOrigin(p pending, at place, r *connectors.Record) bool {
	return p.unit.id == b.Keyring.IdentityID(mapping.Origin{
		Link: p.unit.link.Name, System: at.system, Tenant: b.systems[at.system].Info.Tenant,
		Object: at.object, ID: r.ID, Born: r.Born,
	})
}
