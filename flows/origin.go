package flows

import (
	"context"
	"slices"
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
	naming := slices.DeleteFunc(absent, func(p pending) bool { return p.named() == "" })
	if len(naming) == 0 {
		return
	}
	ids := make([]string, len(naming))
	for i, p := range naming {
		ids[i] = p.named()
	}
	sights, err := b.read(ctx, request{at, dedupe(ids)})
	if err != nil {
		b.endPendings(naming, err)
		return
	}
	for i, p := range naming { // several may name one record, by a copied id: it proves itself to one of them
		s := sights[ids[i]]
		if s.Sight == connectors.SightFound && s.Record.ID == ids[i] && b.bornIdentity(p.unit.link, at, &s.Record) == p.unit.id {
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

// bornIdentity is the id of the identity that a record starts.
func (e *Engine) bornIdentity(l *Link, at place, r *connectors.Record) string {
	return e.Keyring.IdentityID(mapping.Origin{
		Link: l.Name, System: at.system, Tenant: e.systems[at.system].Info.Tenant, Object: at.object, ID: r.ID, Born: r.Born,
	})
}
