package lab

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"syncd/flows/plan"
	"syncd/store"
)

// waitsText is what stands still and why: rows of the queue, fields, trash, holds.
func (t *telling) waitsText(ids []*store.Identity) string {
	ctx := context.Background()
	rows, err := t.db.Waiting(ctx, 1000)
	trash, terr := t.db.Trash(ctx, 1000)
	holds, herr := t.db.Holds(ctx)
	if err != nil || terr != nil || herr != nil {
		t.violate("store", "", "waiting: %v, trash: %v, holds: %v", err, terr, herr)
	}
	var out []string
	for _, r := range rows {
		how := "waits"
		if r.Parked {
			how = "parked"
		}
		out = append(out, fmt.Sprintf("%s %s: %s", t.called(ref{r.System, r.Object, r.RecordID}), how, t.spoken(r.Error, ids)))
	}
	for _, i := range ids {
		for _, m := range i.Members {
			for _, row := range slices.Sorted(maps.Keys(m.Fields)) {
				out = append(out, fmt.Sprintf("%s field %s: %s", t.called(ref{m.System, m.Object, m.RecordID}), row, fieldText(m.Fields[row])))
			}
		}
	}
	for _, r := range trash {
		if r.ResolvedAt.IsZero() {
			out = append(out, fmt.Sprintf("%s in the trash: %s", t.called(ref{r.System, r.Object, r.RecordID}), t.spoken(r.Why, ids)))
		}
	}
	for _, h := range holds {
		out = append(out, strings.TrimSpace(fmt.Sprintf("hold on %s in %s %s: %s", h.What, h.System, h.Link, h.Reason)))
	}
	slices.Sort(out)
	return joined(slices.Compact(out))
}

// fieldText is the state of a field, and why where that is one of several reasons.
func fieldText(f store.FieldState) string {
	var detail struct{ Why string }
	if f.State == plan.StateSuspended && json.Unmarshal(f.Detail, &detail) == nil && detail.Why != "" {
		return f.State + " (" + detail.Why + ")"
	}
	return f.State
}

var (
	longNumber = regexp.MustCompile(`\b[0-9]{2,}\b`)
	identityID = regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`)
)

// spoken puts names in the place of ids in a sentence.
func (t *telling) spoken(text string, ids []*store.Identity) string {
	text = identityID.ReplaceAllStringFunc(text, func(id string) string {
		for _, i := range ids {
			if i.ID == id {
				return t.stem(i)
			}
		}
		return "(an identity of nobody here)"
	})
	return longNumber.ReplaceAllStringFunc(text, func(id string) string {
		found := ""
		for r, name := range t.names {
			if r.id == id {
				if found != "" {
					return id // two records of two systems have the number
				}
				found = name
			}
		}
		return cmp.Or(found, id)
	})
}
