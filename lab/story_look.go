package lab

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"syncd/connectors"
	"syncd/flows"
	"syncd/flows/plan"
	"syncd/mapping"
	"syncd/store"
)

// learnColumns lists the columns of each object that a story shows: the mapped
// ones, those that creates set, inverse ids and the token.
func (t *telling) learnColumns() {
	if t.shows == nil {
		t.shows = map[string][]string{}
	}
	for _, l := range t.links {
		for _, m := range l.Members {
			key := m.System + "." + m.Object
			columns := t.shows[key]
			for _, r := range l.Rows {
				columns = append(columns, r.ColumnsOf(m.System)...)
			}
			columns = slices.AppendSeq(columns, maps.Keys(m.CreateWith))
			columns = slices.AppendSeq(columns, maps.Values(m.Inverse))
			if token := t.infos[m.System].Objects[m.Object].TokenField; token != "" {
				columns = append(columns, token)
			}
			slices.Sort(columns)
			t.shows[key] = slices.Compact(columns)
		}
	}
}

func (t *telling) columns(system, object string) []string { return t.shows[system+"."+object] }

// look writes the golden sections of this run.
func (t *telling) look() {
	ids := t.identities()
	t.nameOurs(ids)
	t.said = map[string]string{
		goldWrites: t.writesText(), goldCalls: t.callsText(), goldRecords: t.recordsText(), goldMap: t.mapText(ids), goldWaits: t.waitsText(ids), goldHistory: t.historyText(),
	}
}

// identities gives every identity that a record of the story has or had.
func (t *telling) identities() []*store.Identity {
	ctx := context.Background()
	seen := map[string]bool{}
	var out []*store.Identity
	note := func(id string) {
		if id == "" || seen[id] {
			return
		}
		seen[id] = true
		i, err := t.db.Identity(ctx, id)
		if err != nil {
			t.violate("store", "", "identity %s: %v", id, err)
			return
		}
		if i != nil {
			out = append(out, i)
		}
	}
	for _, v := range t.systems {
		for _, object := range v.objects {
			holders, err := t.db.Holders(ctx, v.name, object, v.truth.Births(object))
			if err != nil {
				t.violate("store", "", "holders: %v", err)
			}
			for _, id := range v.truth.Births(object) {
				note(holders[id])
			}
		}
	}
	pairs, err := t.db.Pairs(ctx, store.PairQuery{Limit: 10_000})
	if err != nil {
		t.violate("store", "", "pairs: %v", err)
	}
	for _, p := range pairs {
		note(p.CanonicalID)
	}
	return out
}

// nameOurs names what syncd made: by the first record that people made of the
// same identity, and by the token, for a second one.
func (t *telling) nameOurs(ids []*store.Identity) {
	t.tokens, t.linkOf = map[string]string{}, map[ref]string{}
	for _, i := range ids {
		stem := t.stem(i)
		for _, m := range i.Members {
			if m.Token != "" {
				t.tokens[m.Token] = stem
			}
			r := ref{m.System, m.Object, m.RecordID}
			t.linkOf[r] = i.Link
			if m.RecordID != "" && t.names[r] == "" {
				t.nameFree(stem, r)
			}
		}
	}
	for _, r := range t.everyRecord() {
		if t.names[r] != "" {
			continue
		}
		token := t.desk(r.system).all(r.object)[r.id][t.infos[r.system].Objects[r.object].TokenField]
		t.nameFree(cmp.Or(t.tokens[token], "stranger"), r)
	}
}

// stem is the part before the @ of the first name among an identity's records.
func (t *telling) stem(i *store.Identity) string {
	best, at := "nobody", len(t.order)
	for _, m := range i.Members {
		name := t.names[ref{m.System, m.Object, m.RecordID}]
		if n := slices.Index(t.order, name); n >= 0 && n < at {
			best, at = name, n
		}
	}
	stem, _, _ := strings.Cut(best, "@")
	return stem
}

func (t *telling) nameFree(stem string, r ref) {
	name := stem + "@" + r.system
	for n := 2; t.refs[name] != (ref{}); n++ {
		name = fmt.Sprintf("%s_%d@%s", stem, n, r.system)
	}
	t.name(name, r)
}

// called gives a record's name, for people.
func (t *telling) called(r ref) string {
	if r.id == "" {
		return "nothing"
	}
	return cmp.Or(t.names[r], r.system+":"+r.id)
}

// writesText is the plan as it was carried out: per system, in order, rows of one
// call by name.
func (t *telling) writesText() string {
	var out strings.Builder
	for _, v := range t.systems {
		var list []wrote
		for _, w := range t.wrote {
			if w.system == v.name {
				list = append(list, w)
			}
		}
		slices.SortStableFunc(list, func(a, b wrote) int {
			call := cmp.Compare(a.call, b.call)
			if t.st.loose { // which of them is first is chance, too
				call = cmp.Compare(a.op, b.op)
			}
			return cmp.Or(call, cmp.Compare(t.writtenTo(a), t.writtenTo(b)), cmp.Compare(t.valuesText(a.ref(), a.values), t.valuesText(b.ref(), b.values)))
		})
		for _, w := range list {
			fmt.Fprintf(&out, "%s %s%s%s\n", w.op, t.writtenTo(w), t.valuesText(w.ref(), w.values), t.outcomeText(w))
		}
	}
	if out.Len() == 0 {
		return "(none)\n"
	}
	return out.String()
}

// callsText is what the story cost: calls to each system, those of sweeps left out.
func (t *telling) callsText() string {
	var out []string
	if t.st.loose {
		return ""
	}
	for _, v := range t.systems {
		text, total := "", 0
		for _, what := range slices.Sorted(maps.Keys(t.calls[v.name])) {
			n := t.calls[v.name][what]
			text, total = text+fmt.Sprintf(" %s %d", what, n), total+n
		}
		if total > 0 {
			out = append(out, v.name+":"+text)
		}
	}
	return joined(out)
}

func (t *telling) writtenTo(w wrote) string {
	if w.id == "" || w.op == connectors.Create && w.outcome != connectors.Applied {
		return "?@" + w.system
	}
	return t.called(w.ref())
}

func (t *telling) outcomeText(w wrote) string {
	if w.outcome == connectors.Applied {
		return ""
	}
	said := ""
	if w.err != nil {
		said = " " + string(w.err.Kind)
	}
	if w.outcome == connectors.Exists && w.id != "" {
		said += ", it is " + t.called(w.ref())
	}
	return "  => " + string(w.outcome) + said
}

// valuesText writes columns and values, with names for ids and tokens.
func (t *telling) valuesText(of ref, values map[string]string) string {
	var out strings.Builder
	for _, c := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(&out, " %s=%s", c, t.valueText(of, c, values[c]))
	}
	return out.String()
}

var bare = regexp.MustCompile(`^[^\s"<>=#]+$`)

func (t *telling) valueText(of ref, column, v string) string {
	if v == "" {
		return `""`
	}
	if name := t.nameIn(of, column, v); name != "" {
		return "<" + name + ">"
	}
	if bare.MatchString(v) {
		return v
	}
	return strconv.Quote(v)
}

// nameIn gives the name of what an id or a token in a column of a record stands
// for, "" where the column holds neither.
func (t *telling) nameIn(of ref, column, v string) string {
	info := t.infos[of.system].Objects[of.object]
	if column == info.TokenField {
		return "ref:" + cmp.Or(t.tokens[v], "?")
	}
	if f := info.Fields[column]; f.Type == connectors.TypeReference {
		return t.names[ref{of.system, f.Target, v}]
	}
	for _, l := range t.links {
		if in := t.linkOf[of]; in != "" && in != l.Name {
			continue
		}
		own := slices.IndexFunc(l.Members, func(m flows.Member) bool { return m.System == of.system && m.Object == of.object })
		if own < 0 {
			continue
		}
		for _, o := range l.Members {
			if name := t.names[ref{o.System, o.Object, v}]; l.Members[own].Inverse[o.System] == column && name != "" {
				return name
			}
		}
	}
	return ""
}

// recordsText is what there is in the end, by the vendors' own account.
func (t *telling) recordsText() string {
	var out []string
	for _, r := range t.everyRecord() {
		values, there := t.desk(r.system).all(r.object)[r.id]
		text := t.called(r)
		if len(t.vendors[r.system].objects) > 1 {
			text += " " + r.object
		}
		switch {
		case !there:
			text += " gone"
		case values[archivedMark] != "":
			text += " archived"
		}
		shown := map[string]string{}
		for _, c := range t.columns(r.system, r.object) {
			if v := values[c]; v != "" {
				shown[c] = v
			}
		}
		out = append(out, text+t.valuesText(r, shown))
	}
	slices.Sort(out)
	return joined(out)
}

func joined(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}

// mapText is the id map in both of its shapes: identities with their members, and
// the pairs of the view, both ways.
func (t *telling) mapText(ids []*store.Identity) string {
	var out []string
	for _, i := range ids {
		text := t.stem(i) + " (" + i.Link
		if i.State != mapping.IdentityLive {
			text += ", " + string(i.State)
		}
		text += "):"
		for _, m := range i.Members {
			text += " " + t.called(ref{m.System, m.Object, m.RecordID})
			if m.RecordID == "" {
				text += "@" + m.System
			}
			text += stateText(m)
		}
		out = append(out, text)
	}
	slices.Sort(out)
	pairs, err := t.db.Pairs(context.Background(), store.PairQuery{Limit: 10_000})
	if err != nil {
		t.violate("store", "", "pairs: %v", err)
	}
	var rows []string
	for _, p := range pairs {
		row := fmt.Sprintf("%s -> %s", t.called(ref{p.SourceSystem, p.SourceObject, p.SourceID}), t.called(ref{p.TargetSystem, p.TargetObject, p.TargetID}))
		if !p.Active {
			row += " inactive"
		}
		rows = append(rows, row)
	}
	slices.Sort(rows)
	return joined(append(out, rows...))
}

// reopened is what a removal is that was undone: it is kept in mind only.
const reopened = "reopen"

// stateText says what a member is, and why, where that is not plainly active.
func stateText(m store.Member) string {
	var words []string
	if m.State != mapping.MemberActive {
		words = append(words, string(m.State))
	}
	if m.State == mapping.MemberActive && !m.Missing.IsZero() {
		words = append(words, "missing")
	}
	if m.Why != "" {
		words = append(words, m.Why)
	}
	var removal struct{ Op string }
	if json.Unmarshal(m.Removal, &removal) == nil && removal.Op != "" && removal.Op != reopened {
		words = append(words, removal.Op+" open")
	}
	if len(words) == 0 {
		return ""
	}
	return " [" + strings.Join(words, ": ") + "]"
}

func (t *telling) history(r ref) []store.Entry {
	list, err := t.db.History(context.Background(), r.system, r.object, r.id, 1000)
	if err != nil {
		t.violate("store", "", "history: %v", err)
	}
	return list
}

// historyText is what an operator reads of the story: per record, oldest first.
// Inverse ids and tokens are left out: the writes show them.
func (t *telling) historyText() string {
	var out []string
	for _, r := range t.everyRecord() {
		list := t.history(r)
		slices.Reverse(list)
		for _, e := range list[min(len(list), t.notes[r]):] {
			cause := " (" + e.Cause + ")"
			if t.st.loose {
				cause = ""
			}
			out = append(out, t.called(r)+" "+e.Action+cause+t.changesText(e))
		}
	}
	slices.SortStableFunc(out, func(a, b string) int { return cmp.Compare(strings.Fields(a)[0], strings.Fields(b)[0]) })
	return joined(out)
}

func (t *telling) changesText(e store.Entry) string {
	fields := map[string][2]string{}
	if len(e.Fields) > 0 {
		if err := json.Unmarshal(e.Fields, &fields); err != nil {
			return " " + string(e.Fields)
		}
	}
	text := ""
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !strings.HasPrefix(name, plan.FixedPrefix) && fields[name][0] != fields[name][1] {
			text += fmt.Sprintf(" %s: %q -> %q", name, fields[name][0], fields[name][1])
		}
	}
	return text
}
