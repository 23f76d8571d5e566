package odoosim

// Fields of res.partner with rules of their own.
const (
	partnerParent    = "parent_id"
	partnerType      = "type"
	partnerIsCompany = "is_company"
	partnerVAT       = "vat"
	typeContact      = "contact"
)

// A child inherits the address fields of its parent and the commercial fields
// of its commercial entity (vendors/odoo.md 9).
var (
	addressFields    = []string{"street", "street2", "zip", "city", "state_id", "country_id"}
	commercialFields = []string{partnerVAT, "company_registry"}
)

// maxDepth bounds walks up a hierarchy.
const maxDepth = 64

// isCompany is stored up to 19 and computed from structure in 20.
func (t *tx) isCompany(r *row) bool {
	if t.s.o.Major >= majorComputedCompany {
		return r.num(partnerParent) == 0 && r.text(partnerVAT) != ""
	}
	return r.flag(partnerIsCompany)
}

// commercial gives the partner that owns the commercial fields.
func (t *tx) commercial(r *row) *row {
	for range maxDepth {
		parent := t.get(modelPartner, r.num(partnerParent))
		if parent == nil || t.isCompany(r) {
			return r
		}
		r = parent
	}
	return r
}

// completeName is "Parent, Name" for people of a company.
func (t *tx) completeName(r *row) any { return t.nameBelow(r, maxDepth) }

func (t *tx) nameBelow(r *row, depth int) any {
	name, named := r.vals[fieldName].(string)
	parent := t.get(modelPartner, r.num(partnerParent))
	if parent == nil || depth == 0 || t.isCompany(r) {
		if !named {
			return nil
		}
		return name
	}
	if name == "" {
		for _, o := range partnerTypes {
			if o.key == r.text(partnerType) {
				name = o.label
			}
		}
	}
	above, _ := t.nameBelow(parent, depth-1).(string)
	return above + ", " + name
}

// beforePartner turns the interface field company_type into is_company.
func beforePartner(_ *tx, vals map[string]any) error {
	if kind, ok := vals["company_type"]; ok {
		delete(vals, "company_type")
		if _, both := vals[partnerIsCompany]; !both {
			vals[partnerIsCompany] = kind == "company"
		}
	}
	return nil
}

func checkPartner(t *tx, r, _ *row) error {
	if r.text(partnerType) == typeContact && r.vals[fieldName] == nil {
		return validationError("%s", cannotComplete+needsName)
	}
	up := r
	for range maxDepth {
		if up = t.get(modelPartner, up.num(partnerParent)); up == nil {
			return nil
		}
		if up.id == r.id {
			break
		}
	}
	return validationError("You cannot create recursive Partner hierarchies.")
}

// needsName is the text of res.partner's check constraint.
const needsName = "Contacts require a name"

// afterPartner takes over what comes from above and passes it on below.
func afterPartner(t *tx, r, old *row) error {
	t.inherit(r, old)
	changed := func(names ...string) bool {
		for _, name := range names {
			if old != nil && !equal(old.vals[name], r.vals[name]) {
				return true
			}
		}
		return false
	}
	address, commercial := changed(addressFields...), changed(commercialFields...)
	if !address && !commercial && !changed(fieldName, partnerParent) {
		return nil
	}
	for _, id := range t.having(modelPartner, partnerParent, r.id) {
		child := t.get(modelPartner, id)
		vals := map[string]any{}
		if address && child.text(partnerType) == typeContact {
			copyFields(vals, r, addressFields)
		}
		if commercial && !t.isCompany(child) {
			copyFields(vals, r, commercialFields)
		}
		// Even without a new value the child's complete_name may be
		// recomputed: its write_date moves (vendors/odoo.md 6).
		if len(vals) == 0 && !changed(fieldName, partnerParent) {
			continue
		}
		if err := t.sync(t.s.models[modelPartner], id, vals); err != nil {
			return err
		}
	}
	return nil
}

// inherit fills a partner that got a new parent.
func (t *tx) inherit(r, old *row) {
	parent := t.get(modelPartner, r.num(partnerParent))
	if parent == nil || (old != nil && old.num(partnerParent) == parent.id) {
		return
	}
	if r.text(partnerType) == typeContact {
		for _, name := range addressFields {
			if parent.vals[name] != nil {
				copyFields(r.vals, parent, addressFields)
				break
			}
		}
	}
	if owner := t.commercial(r); owner.id != r.id {
		copyFields(r.vals, owner, commercialFields)
	}
}

func copyFields(to map[string]any, from *row, names []string) {
	for _, name := range names {
		to[name] = from.vals[name]
	}
}

// gonePartner refuses to delete what an order needs and orphans children, the
// latter in SQL: no write_date, no rule (vendors/odoo.md 10).
func gonePartner(t *tx, r *row) error {
	if len(t.having(modelOrder, orderPartner, r.id)) > 0 {
		return validationError("%sanother model requires the record being deleted. If possible, archive it instead."+
			"\n\nModel: Sales Order (sale.order)\nConstraint: sale_order_partner_id_fkey", cannotComplete)
	}
	for _, id := range t.having(modelPartner, partnerParent, r.id) {
		child, err := t.edit(modelPartner, id)
		if err != nil {
			return err
		}
		child.vals[partnerParent] = nil
	}
	return nil
}
