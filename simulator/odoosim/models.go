package odoosim

// The models of this Odoo.
const (
	modelPartner    = "res.partner"
	modelCategory   = "res.partner.category"
	modelProduct    = "product.product"
	modelTemplate   = "product.template"
	modelProdCat    = "product.category"
	modelUnit       = "uom.uom"
	modelOrder      = "sale.order"
	modelCountry    = "res.country"
	modelState      = "res.country.state"
	modelCompany    = "res.company"
	modelUser       = "res.users"
	modelModel      = "ir.model"
	modelField      = "ir.model.fields"
	modelData       = "ir.model.data"
	modelAutomation = "base.automation"
	modelAction     = "ir.actions.server"
	modelParameter  = "ir.config_parameter"
	modelWizard     = "base.partner.merge.automatic.wizard"
)

// Version drift (vendors/odoo.md 9).
const (
	majorJSON2           = 19 // JSON-2, no mobile, whole-second comparison
	majorNoProductType   = 18 // "product" is no product type any more
	majorComputedCompany = 20 // is_company follows from structure
)

// Fields that other code refers to.
const (
	orderPartner = "partner_id"
	dataModule   = "module"
	dataModel    = "model"
	dataResID    = "res_id"
	wizardSet    = "partner_ids"
	wizardWinner = "dst_partner_id"
)

var partnerTypes = []option{
	{typeContact, "Contact"}, {"invoice", "Invoice Address"}, {"delivery", "Delivery Address"}, {"other", "Other Address"},
}

func col(name, label, kind string) *field { return &field{name: name, label: label, kind: kind} }

func ref(name, label, relation string) *field {
	return &field{name: name, label: label, kind: kindMany2one, relation: relation}
}

func many(name, label, relation string) *field {
	return &field{name: name, label: label, kind: kindMany2many, relation: relation}
}

func choice(name, label string, options ...option) *field {
	return &field{name: name, label: label, kind: kindSelection, options: options}
}

func (f *field) need() *field  { f.required = true; return f }
func (f *field) index() *field { f.indexed = true; return f }
func (f *field) computed(c func(t *tx, r *row) any) *field {
	f.compute, f.readonly, f.indexed = c, true, false
	return f
}

// model makes a model with the fields that every one has.
func (s *Sim) model(name, label string, fields ...*field) *model {
	m := &model{
		name: name, label: label, fields: map[string]*field{}, order: "id asc", defaults: map[string]any{},
		table: table{rows: map[int64]*row{}, index: map[string]map[any][]int64{}},
	}
	log := []*field{
		col(fieldID, "ID", kindInt), col(fieldWriteDate, "Last Updated on", kindDatetime),
		col(fieldCreateDate, "Created on", kindDatetime),
		ref(fieldWriteUID, "Last Updated by", modelUser), ref(fieldCreateUID, "Created by", modelUser),
	}
	for _, f := range log {
		f.readonly = true
	}
	m.add(log...)
	m.add(col(fieldDisplay, "Display Name", kindChar).computed(plainName))
	m.add(fields...)
	if m.fields[fieldActive] != nil {
		m.defaults[fieldActive] = true
	}
	s.models[name] = m
	return m
}

func (s *Sim) define() {
	s.definePartner()
	s.defineProducts()
	s.model(modelCategory, "Partner Tags", col("name", "Tag Name", kindChar).need(),
		col("color", "Color", kindInt), col("active", "Active", kindBool))
	s.model(modelCountry, "Country", col("name", "Country Name", kindChar).need(),
		col("code", "Country Code", kindChar)).order = "name asc"
	s.model(modelState, "Country state", col("name", "State Name", kindChar).need(),
		col("code", "State Code", kindChar), ref("country_id", "Country", modelCountry))
	s.model(modelCompany, "Companies", col("name", "Company Name", kindChar).need())
	s.model(modelUser, "User", col("name", "Name", kindChar).need(), col("login", "Login", kindChar),
		col("lang", "Language", kindChar), col("tz", "Timezone", kindChar), col("active", "Active", kindBool))
	order := s.model(modelOrder, "Sales Order", col("name", "Order Reference", kindChar),
		ref(orderPartner, "Customer", modelPartner).need().index(), col("client_order_ref", "Customer Reference", kindChar),
		choice("state", "Status", option{"draft", "Quotation"}, option{"sent", "Quotation Sent"},
			option{"sale", "Sales Order"}, option{"cancel", "Cancelled"}),
		&field{name: "amount_total", label: "Total", kind: kindFloat, digits: 2})
	order.defaults["state"] = "draft"
	s.defineMeta()
	s.model(modelParameter, "System Parameter", col("key", "Key", kindChar).need(), col("value", "Value", kindText).need())
	s.model(modelWizard, "Merge Partner Wizard", many(wizardSet, "Contacts", modelPartner),
		ref(wizardWinner, "Destination Contact", modelPartner))
}

func (s *Sim) definePartner() {
	company := col(partnerIsCompany, "Is a Company", kindBool)
	if s.o.Major >= majorComputedCompany {
		company = company.computed(func(t *tx, r *row) any { return t.isCompany(r) })
	}
	complete := func(t *tx, r *row) any { return t.completeName(r) }
	m := s.model(modelPartner, "Contact",
		col("name", "Name", kindChar).need(), company, col("active", "Active", kindBool),
		col("complete_name", "Complete Name", kindChar).computed(complete),
		col(fieldDisplay, "Display Name", kindChar).computed(complete),
		ref(partnerParent, "Related Company", modelPartner).index(), choice(partnerType, "Address Type", partnerTypes...),
		col("email", "Email", kindChar), col("phone", "Phone", kindChar), col(partnerVAT, "Tax ID", kindChar),
		col("ref", "Reference", kindChar), col("company_registry", "Company ID", kindChar),
		col("street", "Street", kindChar), col("street2", "Street2", kindChar), col("zip", "Zip", kindChar),
		col("city", "City", kindChar), ref("state_id", "State", modelState), ref("country_id", "Country", modelCountry),
		col("website", "Website Link", kindChar), col("function", "Job Position", kindChar),
		col("comment", "Notes", kindHTML), many("category_id", "Tags", modelCategory),
		ref("user_id", "Salesperson", modelUser), ref("company_id", "Company", modelCompany),
		choice("lang", "Language", option{"en_US", "English (US)"}, option{"de_DE", "German / Deutsch"},
			option{"fr_FR", "French / Français"}),
		col("tz", "Timezone", kindChar), col("barcode", "Barcode", kindChar), col("color", "Color Index", kindInt),
		col("customer_rank", "Customer Rank", kindInt), col("supplier_rank", "Supplier Rank", kindInt),
	)
	m.add(
		ref("commercial_partner_id", "Commercial Entity", modelPartner).computed(func(t *tx, r *row) any {
			return t.commercial(r).id
		}),
		&field{name: "child_ids", label: "Contact", kind: kindOne2many, relation: modelPartner, readonly: true,
			compute: func(t *tx, r *row) any { return t.having(modelPartner, partnerParent, r.id) }},
		choice("company_type", "Company Type", option{"person", "Individual"}, option{"company", "Company"}).
			computed(func(t *tx, r *row) any {
				if t.isCompany(r) {
					return "company"
				}
				return "person"
			}),
	)
	if s.o.Major < majorJSON2 {
		m.add(col("mobile", "Mobile", kindChar))
	}
	m.order = "complete_name asc, id desc"
	m.defaults[partnerType] = typeContact
	m.before, m.check, m.after, m.gone = beforePartner, checkPartner, afterPartner, gonePartner
	m.table.next = 10 // the installation's own partners took the first ids
}

func (s *Sim) defineProducts() {
	kinds := []option{{"consu", "Consumable"}, {"service", "Service"}, {"product", "Storable Product"}}
	if s.o.Major >= majorNoProductType {
		kinds = []option{{"consu", "Goods"}, {"service", "Service"}, {"combo", "Combo"}}
	}
	common := func() []*field {
		list := []*field{
			col("name", "Name", kindChar).need(), col("active", "Active", kindBool),
			col("default_code", "Internal Reference", kindChar), col("barcode", "Barcode", kindChar),
			{name: "list_price", label: "Sales Price", kind: kindFloat, digits: 2},
			choice("type", "Product Type", kinds...), ref("categ_id", "Product Category", modelProdCat).need(),
			ref("uom_id", "Unit of Measure", modelUnit).need(), col("description_sale", "Sales Description", kindText),
			col(fieldDisplay, "Display Name", kindChar).computed(productName),
		}
		if s.o.Major >= majorNoProductType {
			list = append(list, col("is_storable", "Track Inventory", kindBool))
		}
		return list
	}
	product := s.model(modelProduct, "Product Variant", common()...)
	product.add(ref(productTemplate, "Product Template", modelTemplate).index(),
		&field{name: "standard_price", label: "Cost", kind: kindFloat, digits: 2})
	product.check, product.after, product.gone = checkProduct, afterProduct, goneProduct
	product.order = "default_code asc, name asc, id asc"
	template := s.model(modelTemplate, "Product", common()...)
	template.add(&field{name: "product_variant_ids", label: "Products", kind: kindOne2many, relation: modelProduct,
		readonly: true, compute: func(t *tx, r *row) any { return t.having(modelProduct, productTemplate, r.id) }})
	template.after, template.gone = afterTemplate, goneTemplate
	template.order = "name asc"
	for _, m := range []*model{product, template} {
		m.defaults["type"] = "consu"
		m.defaults["categ_id"], m.defaults["uom_id"] = int64(1), int64(1)
		m.table.next = 10
	}
	s.model(modelProdCat, "Product Category", col("name", "Name", kindChar).need())
	s.model(modelUnit, "Product Unit of Measure", col("name", "Unit of Measure", kindChar).need())
}
