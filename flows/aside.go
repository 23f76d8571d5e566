package flows

import (
	"context"

	"syncd/connectors"
	"syncd/mapping"
	"syncd/store"
)

// leaveAside ends strangers that a person has taken out of the id map: unpaired,
// replaced or retired. Such a record would otherwise come back by itself, as new or
// by its own token, and undo the decision at its next change. It stays aside until
// it is paired or released (syncd mapping).
func (b *batch) leaveAside(ctx context.Context) {
	byID := map[string][]*row{}
	var ids []string
	for _, r := range b.rows {
		if r.finish == nil && r.unit == nil && r.sight != nil && r.sight.Sight == connectors.SightFound {
			byID[r.work.RecordID] = append(byID[r.work.RecordID], r)
			ids = append(ids, r.work.RecordID)
		}
	}
	aside, err := b.setAside(ctx, b.place, ids)
	for _, id := range ids {
		for _, r := range byID[id] {
			switch {
			case err != nil:
				b.end(r, "store", b.storeTrouble(r, err))
			case aside[id]:
				b.end(r, "unpaired", store.Finish{Disposition: store.Done})
			}
		}
	}
}

// setAside says which records were last taken out of the id map by a person.
func (e *Engine) setAside(ctx context.Context, at place, ids []string) (map[string]bool, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	past, err := e.Store.Past(ctx, at.system, at.object, ids)
	aside := map[string]bool{}
	for id, list := range past {
		aside[id] = len(list) > 0 && mapping.SetAside(list[0].Why) // the newest
	}
	return aside, err
}

// notFree gives, of records that a look-up found, those that are no candidates:
// they are somebody's, or a person has set them aside.
func (e *Engine) notFree(ctx context.Context, at place, ids []string) (map[string]string, error) {
	holders, err := e.Store.Holders(ctx, at.system, at.object, ids)
	if err != nil {
		return nil, err
	}
	aside, err := e.setAside(ctx, at, ids)
	for id, is := range aside {
		if is && holders[id] == "" {
			holders[id] = mapping.WhyOperator
		}
	}
	return holders, err
}
