package odoosim

import "strconv"

// Fields of products that live on variant and template.
var sharedProductFields = []string{
	fieldName, fieldActive, "default_code", "barcode", "list_price", "type", "is_storable", "categ_id", "uom_id",
	"description_sale",
}

const productTemplate = "product_tmpl_id"

// checkProduct keeps bar codes unique (vendors/odoo.md 7).
func checkProduct(t *tx, r, _ *row) error {
	code := r.text("barcode")
	if code == "" {
		return nil
	}
	for _, id := range t.having(modelProduct, "barcode", code) {
		if id != r.id {
			return validationError("Barcode(s) already assigned:\n\n- Barcode \"%s\" already assigned to product(s): %s",
				code, t.get(modelProduct, id).text(fieldName))
		}
	}
	return nil
}

// afterProduct keeps the template of a variant alike: one variant each here.
func afterProduct(t *tx, r, old *row) error {
	templates := t.s.models[modelTemplate]
	if old == nil && r.num(productTemplate) == 0 {
		id, err := t.mirror(func() (int64, error) { return t.create(templates, t.shared(r)) })
		r.vals[productTemplate] = id
		return err
	}
	if t.mirroring {
		return nil
	}
	_, err := t.mirror(func() (int64, error) { return 0, t.writeOne(templates, r.num(productTemplate), t.shared(r)) })
	return err
}

// afterTemplate makes or follows the template's variant.
func afterTemplate(t *tx, r, old *row) error {
	if t.mirroring {
		return nil
	}
	products := t.s.models[modelProduct]
	if old == nil {
		vals := t.shared(r)
		vals[productTemplate] = r.id
		_, err := t.mirror(func() (int64, error) { return t.create(products, vals) })
		return err
	}
	for _, id := range t.having(modelProduct, productTemplate, r.id) {
		if _, err := t.mirror(func() (int64, error) { return 0, t.writeOne(products, id, t.shared(r)) }); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) mirror(write func() (int64, error)) (int64, error) {
	t.mirroring = true
	defer func() { t.mirroring = false }()
	return write()
}

func (t *tx) shared(r *row) map[string]any {
	vals := map[string]any{}
	for _, name := range sharedProductFields {
		if t.s.models[modelProduct].fields[name] != nil {
			vals[name] = r.vals[name]
		}
	}
	return vals
}

// goneProduct takes the template along.
func goneProduct(t *tx, r *row) error {
	t.put(key{modelTemplate, r.num(productTemplate)}, nil)
	return nil
}

// goneTemplate takes the variants along.
func goneTemplate(t *tx, r *row) error {
	for _, id := range t.having(modelProduct, productTemplate, r.id) {
		t.announceUnlink(t.s.models[modelProduct], t.get(modelProduct, id))
		t.erase(t.s.models[modelProduct], id)
	}
	return nil
}

// productName is "[SKU] Name".
func productName(_ *tx, r *row) any {
	name, ok := r.vals[fieldName].(string)
	if !ok {
		return nil
	}
	if code := r.text("default_code"); code != "" {
		return "[" + code + "] " + name
	}
	return name
}

// plainName is the display name of records without a name.
func plainName(_ *tx, r *row) any {
	if name, ok := r.vals[fieldName].(string); ok {
		return name
	}
	return strconv.FormatInt(r.id, 10)
}
