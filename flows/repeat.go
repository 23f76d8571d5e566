package flows

import (
	"fmt"
	"maps"
	"time"

	"syncd/connectors"
	"syncd/flows/plan"
)

// windows says that an object's vendor keeps the key of a create for a while,
// so that the same call can be made again (CORRECTNESS 0.2, class search).
func windows(o connectors.Object) bool {
	return o.CreateClass == connectors.ClassSearch && o.RepeatWindow > 0
}

// bodyOf is what a create keeps for its repeat: nil where the vendor honours no
// key. A repeat keeps key and first moment of what it repeats.
func (b *batch) bodyOf(s *send) *plan.Body {
	switch {
	case s.repeat:
		return s.member.before.Intent.Body
	case !windows(s.member.object):
		return nil
	}
	return &plan.Body{Key: sendKey(s.unit.token, s.member.stored.Sends+1), First: b.Now().UnixMilli(), Columns: maps.Clone(s.columns)}
}

// sendKey names a send: token and number.
func sendKey(token string, sends int) string { return fmt.Sprintf("%s-%d", token, sends) }

// keyOf is the idempotency key of a create.
func (s *send) keyOf() string {
	if s.intent.Body != nil {
		return s.intent.Body.Key
	}
	return sendKey(s.unit.token, s.member.stored.Sends)
}

// repeatable says that an open create may be sent again as it was: the vendor
// still has its key when the call ends, by the clock of the first send.
func (b *batch) repeatable(m *member, i *plan.Intent) bool {
	if i == nil || i.Body == nil || !windows(m.object) {
		return false
	}
	ends := time.UnixMilli(i.Body.First).Add(m.object.RepeatWindow)
	return b.Now().Add(b.callTimeout() + sendGrace).Before(ends)
}

// again makes a send the exact repeat of the one that is open: what the source
// holds by now follows as an update.
func (s *send) again() {
	open := s.member.before.Intent
	s.repeat = true
	s.columns = maps.Clone(open.Body.Columns)
	s.write.Fields = maps.Clone(open.Fields)
}
