package hubspot

import "syncd/connectors"

// match gives each result of an answer to the write that it belongs to, by
// write index. A result that fits no write, or not surely, is left out: its
// write stays unknown and is read back (trap W2, section 5.10 of the vendors'
// README).
func (b *batch) match(results []item) map[int]*item {
	got := map[int]*item{}
	spoilt := map[int]bool{}
	holders := map[text]int{}
	for n := range results {
		o := &results[n]
		i := b.owner(o)
		if i < 0 {
			continue
		}
		if _, twice := got[i]; twice {
			spoilt[i] = true
			continue
		}
		if j, shared := holders[o.ID]; shared {
			spoilt[i], spoilt[j] = true, true // one record cannot be two writes
		}
		got[i], holders[o.ID] = o, i
	}
	for i := range spoilt {
		delete(got, i)
	}
	return got
}

// owner is the index of the write that a result belongs to, -1 if there is
// none: by trace id, else by token (create) or record id (update).
func (b *batch) owner(o *item) int {
	if !idPattern.MatchString(string(o.ID)) {
		return -1
	}
	for i, w := range b.writes {
		fits := string(o.TraceID) == w.Key
		if o.TraceID == "" {
			fits = b.fitsBare(o, w)
		}
		if fits && !b.contradicts(o, w) {
			return i
		}
	}
	return -1
}

// fitsBare says that a result without a trace id is the write's.
func (b *batch) fitsBare(o *item, w connectors.Write) bool {
	if b.op == connectors.Update {
		return string(o.ID) == w.RecordID
	}
	return w.Token != "" && string(o.Properties[b.client.cfg.TokenField]) == w.Token
}

// contradicts says that a result with the write's trace id is another's all the
// same: it shows another token, or the record of a sibling. Another id than the
// asked one that is nobody's is a merge (section 9).
func (b *batch) contradicts(o *item, w connectors.Write) bool {
	if b.op == connectors.Create {
		token := string(o.Properties[b.client.cfg.TokenField])
		return token != "" && w.Token != "" && token != w.Token
	}
	if string(o.ID) == w.RecordID {
		return false
	}
	for _, sibling := range b.writes {
		if sibling.RecordID == string(o.ID) {
			return true
		}
	}
	return false
}
