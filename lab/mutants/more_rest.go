package main

// moreOfTheRest are bugs of our own at the edges.
var moreOfTheRest = []mutant{
	{
		name:   "acknowledged before the commit",
		breaks: "a webhook gets its 2xx after its hints are committed (DESIGN 1.2, F24)",
		edits:  []edit{{"ingress/deliver.go", "if err := s.commits.submit(receipt); err != nil {", "go s.commits.submit(receipt)\n\tif err := error(nil); err != nil {"}},
		tests:  []string{"./ingress -run TestAFailingStoreAcknowledgesNothing"},
	},
	{
		name:   "signature not compared",
		breaks: "any flipped bit is refused (SECURITY S1)",
		edits:  []edit{{"connectors/hubspot/verify.go", "hmac.Equal(", "!hmac.Equal(nil, []byte{1}) || hmac.Equal("}},
		tests:  []string{"./connectors/hubspot -run TestAnyFlippedBitIsRefused"},
	},
	{
		name:   "redirect followed",
		breaks: "a write is not carried to another address (SECURITY S19)",
		edits:  []edit{{"connectors/wire/wire.go", "return http.ErrUseLastResponse", "return nil"}},
		tests:  []string{"./connectors/wire"},
	},
	{
		name:   "unsent call may have been sent",
		breaks: "a call that never left is a definite failure (CORRECTNESS F4)",
		edits:  []edit{{"connectors/wire/wire.go", "&Failure{Sent: sent.Load(), Err: err}", "&Failure{Sent: true, Err: err}"}},
		tests:  []string{"./connectors/wire"},
	},
	{
		name:   "sent call counted as unsent",
		breaks: "a call without an answer is unknown (CORRECTNESS F3)",
		edits:  []edit{{"connectors/wire/wire.go", "&Failure{Sent: sent.Load(), Err: err}", "&Failure{Err: err}"}},
		tests:  []string{"./connectors/wire"},
	},
	{
		name:   "load repeated unseen",
		breaks: "an upsert-like create is looked up before it is repeated (CORRECTNESS 3.5)",
		edits:  []edit{{"connectors/odoo/load.go", "if key != fieldID {\n\t\treturn lines", "if key != \"\" {\n\t\treturn lines"}},
		tests:  []string{"./connectors/odoo -run TestLoadThatMetATwinIsNotRepeated"},
	},
	{
		name:   "Retry-After ignored",
		breaks: "a throttled system is left alone as long as it asks (CORRECTNESS F55)",
		edits:  []edit{{"connectors/hubspot/errors.go", "if d := headerWait(res.Header.Get(\"Retry-After\"), c.cfg.Now()); d > 0 {", "if d := headerWait(\"\", c.cfg.Now()); d > 0 {"}},
		tests:  []string{"./connectors/hubspot"},
	},
	{
		name:   "windows without guard",
		breaks: "in no window the vendor sees more calls than its limit, however differently long they travel (TESTING I11)",
		edits:  []edit{{"ratelimit/window.go", "guard = 50 * time.Millisecond", "guard = 0"}},
		tests:  []string{"./ratelimit", "./lab -run TestTightBudgetsAreKept"},
	},
	{
		name:   "call counted when let go",
		breaks: "a call holds its place until it was sent, however long the dial takes (TESTING I11)",
		edits:  []edit{{"ratelimit/ratelimit.go", "trace := &httptrace.ClientTrace{WroteHeaders: func() { l.sent(w) }}", "l.sent(w)\n\ttrace := &httptrace.ClientTrace{}"}},
		tests:  []string{"./ratelimit", "./lab -run TestTightBudgetsAreKept"},
	},
}
