package flows_test

import (
	"strconv"
	"testing"
	"time"

	"syncd/connectors"
	"syncd/fields"
	"syncd/flows"
	"syncd/flows/plan"
	"syncd/simulator"
	"syncd/store"
)

const (
	products = "products"
	variants = "product.product"
)

// shelf is a world whose link keeps products and variants in step by SKU. The CRM
// can keep no property of products unique, so its class is search.
func shelf(t *testing.T, mode flows.Mode) (*world, *flows.Engine) {
	t.Helper()
	w := newWorld(t)
	objects := map[string]string{crm: products, erp: variants}
	conns := w.connect(nil)
	for system, object := range objects {
		other := map[string]string{crm: erp, erp: crm}[system]
		custom := []connectors.CustomField{
			{Object: object, Name: tokenOf(system), Label: "ref", Unique: true}, {Object: object, Name: inverseOf(system, other), Label: "id"},
		}
		if err := conns[system].Setup(t.Context(), custom); err != nil {
			t.Fatal(err)
		}
		info, err := conns[system].Probe(t.Context(), []string{object})
		if err != nil {
			t.Fatal(err)
		}
		w.infos[system] = info
		o := info.Objects[object]
		row := store.SystemRow{System: system, Kind: "sim", Tenant: info.Tenant,
			Objects: []store.ObjectRow{{Object: object, CreateClass: string(o.CreateClass), Settle: o.Settle, IndexLag: o.IndexLag}}}
		if err := w.store.Register(t.Context(), []store.SystemRow{row}); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.infos[crm].Objects[products].CreateClass; got != connectors.ClassSearch {
		t.Errorf("products are class %s; want search", got)
	}
	if got := w.infos[erp].Objects[variants].CreateClass; got != connectors.ClassUnique {
		t.Errorf("variants are class %s; want unique", got)
	}
	w.link = w.skus(mode, objects)
	w.links = []*flows.Link{w.link}
	return w, w.engine("a", nil, func(o *flows.Options) {
		for _, s := range o.Systems {
			if _, err := s.Conn.Probe(t.Context(), []string{objects[s.Name]}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func (w *world) skus(mode flows.Mode, objects map[string]string) *flows.Link {
	l := &flows.Link{Name: "products", Mode: mode, OnMatch: flows.MatchPair, Live: true, Create: map[string]bool{crm: true, erp: true},
		Rules: plan.Rules{ReadOnly: map[string]bool{}, Silent: map[string]bool{}}, Private: map[string]bool{}}
	for _, system := range []string{crm, erp} {
		other := map[string]string{crm: erp, erp: crm}[system]
		l.Members = append(l.Members, flows.Member{System: system, Object: objects[system], Inverse: map[string]string{other: inverseOf(system, other)}, Write: true, Listen: true})
	}
	sku := "sku"
	if mode == flows.ModeExternal {
		sku = flows.SharedID
	}
	l.Match = [][]string{{sku}}
	for _, r := range []fields.Spec{
		{Name: sku, Columns: map[string][]string{crm: {"hs_sku"}, erp: {"default_code"}}},
		{Name: "name", Columns: map[string][]string{crm: {"name"}, erp: {"name"}}},
		{Name: "price", As: "number", Columns: map[string][]string{crm: {"price"}, erp: {"list_price"}}},
	} {
		row, err := fields.Compile(r)
		if err != nil {
			w.t.Fatal(err)
		}
		l.Rows = append(l.Rows, row)
		l.Rules.Rows = append(l.Rules.Rows, plan.Row{Name: r.Name, Systems: []string{crm, erp}, Rev: row.Rev(), Policy: plan.Policy{Mode: plan.ModeSystem, System: erp}})
	}
	return l
}

func (w *world) product(system, sku, name string) string {
	w.t.Helper()
	if system == crm {
		id, err := w.hubs[crm].UserCreate(products, map[string]string{"hs_sku": sku, "name": name, "price": "10"})
		if err != nil {
			w.t.Fatal(err)
		}
		return id
	}
	id, err := w.erp.UserCreate(variants, map[string]any{"default_code": sku, "name": name, "list_price": 10.0})
	if err != nil {
		w.t.Fatal(err)
	}
	return strconv.FormatInt(id, 10)
}

// restock sweeps both sides until nothing is left to be done.
func (w *world) restock(e *flows.Engine) {
	w.t.Helper()
	for range 3 {
		for system, object := range map[string]string{crm: products, erp: variants} {
			if err := e.Sweep(w.t.Context(), system, object); err != nil {
				w.t.Fatal(err)
			}
		}
		w.settle(e)
		w.clock.advance(3 * time.Minute)
	}
}

// Products and variants meet, are created and stay in step by SKU both ways, in
// both identity modes that know a SKU.
func TestProductsAndVariantsAreALinkLikeAnyOther(t *testing.T) {
	for _, mode := range []flows.Mode{flows.ModeMapping, flows.ModeExternal} {
		t.Run(string(mode), func(t *testing.T) {
			w, e := shelf(t, mode)
			w.restock(e) // the first sweep begins here
			there, theirs := w.product(erp, "A-1", "Anvil"), w.product(crm, "A-1", "Anvil")
			w.clock.advance(time.Minute)
			up, down := w.product(crm, "B-2", "Bolt"), w.product(erp, "C-3", "Clamp")
			w.restock(e)
			if got := w.pair(crm, theirs, erp); got != there {
				t.Errorf("product %s is paired with %s; want %s", theirs, got, there)
			}
			made := w.pair(crm, up, erp)
			if v, ok := w.erp.Get(variants, number(made)); !ok || v["default_code"] != "B-2" || v["name"] != "Bolt" {
				t.Errorf("created %v", v)
			}
			copied := w.pair(erp, down, crm)
			if v, ok := w.hubs[crm].Get(products, copied); !ok || v["hs_sku"] != "C-3" {
				t.Errorf("created %v", v)
			}
			if err := w.hubs[crm].UserEdit(products, up, map[string]string{"name": "Big bolt"}); err != nil {
				t.Fatal(err)
			}
			if err := w.erp.UserWrite(variants, number(down), map[string]any{"list_price": 12.5}); err != nil {
				t.Fatal(err)
			}
			w.restock(e)
			v, _ := w.erp.Get(variants, number(made))
			p, _ := w.hubs[crm].Get(products, copied)
			if v["name"] != "Big bolt" || p["price"] != "12.5" {
				t.Errorf("the edits did not arrive: %v, %v", v["name"], p["price"])
			}
			if a, b := len(w.hubs[crm].Truth().Births(products)), len(w.erp.Truth().Births(variants)); a != 3 || b != 3 {
				t.Errorf("%d products, %d variants; want three each", a, b)
			}
			if rows := w.waiting(); len(rows) > 0 {
				t.Errorf("waits: %+v", rows)
			}
		})
	}
}

// A product of which the create got no answer is looked for by its token, with the
// patience that class search takes, and is not made twice.
func TestProductOfAnUnansweredCreateIsFoundAgain(t *testing.T) {
	w, e := shelf(t, flows.ModeExternal)
	w.restock(e)
	w.faults(crm).Add(simulator.Fault{Op: "batch_create", Effect: simulator.DropAfter, Times: 1})
	down := w.product(erp, "C-3", "Clamp")
	w.restock(e)
	w.restock(e)
	w.pair(erp, down, crm)
	if births := w.hubs[crm].Truth().Births(products); len(births) != 1 {
		t.Errorf("%d products", len(births))
	}
}
