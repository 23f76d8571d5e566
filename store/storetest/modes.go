package storetest

import "syncd/store"

// modeLaws say how it is kept by what a link knows its records.
var modeLaws = []law{
	{"FirstModeOfALinkStaysInForce", firstModeOfALinkStaysInForce},
}

func firstModeOfALinkStaysInForce(e *env) {
	const first, next = "mapping", "system_of_record: erp"
	inForce := func(link, mode string) string {
		got, err := e.LinkMode(e.ctx, link, mode)
		e.ok(err)
		return got
	}
	e.equal("at first", inForce(link, first), first)
	e.equal("where the configuration says another", inForce(link, next), first)
	e.equal("of another link", inForce("suppliers", next), next)
	e.ok(e.SetLinkMode(e.ctx, link, next, store.Audit{Actor: "jana", Via: "cli", Action: "link.accept-mode", Target: "link " + link}))
	e.equal("once accepted", inForce(link, first), next)
	lines, err := e.Audits(e.ctx, 10)
	e.ok(err)
	e.equal("audit lines", len(lines), 1)
}
