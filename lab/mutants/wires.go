package main

// wires are the bugs of TESTING's list about what a call has done.
var wires = []mutant{
	{
		name:   "5xx = failed",
		breaks: "a 5xx proves nothing about a write (CORRECTNESS F4)",
		edits:  []edit{{"connectors/hubspot/write.go", "if !byStatus[res.Status].nothing {", "if m, known := byStatus[res.Status]; known && !m.nothing {"}},
		tests:  []string{"./connectors/hubspot -run TestStatuses"},
	},
	{
		name:   "5xx = failed, Odoo",
		breaks: "a 5xx proves nothing about a write (CORRECTNESS F4)",
		edits:  []edit{{"connectors/odoo/trouble.go", "t := &trouble{kind: connectors.KindTransient, open: true, code: strconv.Itoa(r.Status)", "t := &trouble{kind: connectors.KindTransient, code: strconv.Itoa(r.Status)"}},
		tests:  []string{"./connectors/odoo -run TestStatus"},
	},
	{
		name:   "header Idempotency-Key everywhere",
		breaks: "no header lets net/http send a write twice (CORRECTNESS 0.1.4, A.4)",
		edits: []edit{
			{"connectors/wire/wire.go", "\treq.GetBody = nil", "\treq.Header.Set(\"Idempotency-Key\", \"k\")\n\treq.GetBody = nil"},
		},
		tests: []string{"./connectors/wire"},
	},
	{
		name:   "GetBody kept",
		breaks: "nothing may replay a body on its own (CORRECTNESS 0.1.4, F8)",
		edits:  []edit{{"connectors/wire/wire.go", "\treq.GetBody = nil", "\treq.GetBody = req.GetBody"}},
		tests:  []string{"./connectors/wire"},
	},
}
