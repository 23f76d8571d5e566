package flows_test

import "testing"

// The database was lost before the record that an identity began with was given
// its token, and our copy of it is announced first: the copy names its origin, and
// that is its partner again (I13).
func TestCopyThatComesBackBeforeItsOriginMakesNoSecondRecord(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	origin := w.create(erp, map[string]string{"firstname": "Ann", "lastname": "Lee"}) // without a key to match by
	w.settle(e)
	copied := w.births(crm)[0]
	w.edit(erp, origin, map[string]string{tokenOf(erp): "", inverseOf(erp, crm): ""})
	w.backup()(true)
	w.forget()
	e = w.engine("b", nil)
	w.edit(crm, copied, map[string]string{"jobtitle": "CEO"})
	w.settle(e)
	if n := len(w.births(erp)); n != 1 {
		t.Fatalf("%d partners; want no second one", n)
	}
	if w.holder(erp, origin) == "" || w.holder(erp, origin) != w.holder(crm, copied) {
		t.Error("copy and origin are no pair")
	}
	w.converged(1)
}
