package lab

import (
	"math/rand/v2"
	"time"

	"syncd/connectors"
)

// persona is what kind of vendor a seed makes up: TESTING 2(c) "vendors".
type persona struct {
	Class  connectors.CreateClass
	Upsert bool // class unique: a second create with one token writes over the first
	Lag    time.Duration
	Settle time.Duration
	Holds  bool // class search: settle covers lateness and lag (CORRECTNESS F7)

	Answers  bool // a write's answer carries the record
	Marks    bool // webhooks mark our own changes
	Trusted  bool // and syncd believes the marks
	Knows    bool // records say who wrote them last
	Visible  bool // reads show the token
	Versions bool // records have versions
	Bin      bool // listings show what was archived
	Removes  bool // it takes archive, delete and restore from us, and lists its bin apart
	Retries  int  // of a webhook that is refused

	Shout    string // the column that is stored in capitals, "" for none
	Spells   bool   // phones are stored in the national spelling
	ReadOnly string // the column of which our writes are silently dropped (F29)
	Strict   string // the column in which values that begin with "!" are refused

	Whole bool // one bad record refuses the whole call …
	Names bool // … and the answer names it
}

// The faults of a persona's batches, by name; each is drawn per call.
const (
	batchMissing = "item_missing" // applied, and left out of the answer
	batchPart    = "batch_part"   // the first few are applied, then the connection breaks
)

// The systems that personas play.
const (
	shopSystem, tillSystem = "shop", "till"
	items                  = "items"
)

// castOf says which systems a world has. Half of the seeds have the two real
// vendors, as all had before there were others.
var castOf = [][]string{
	{crm, erp}, {crm, erp}, {crm, erp}, {crm, erp}, {crm, erp}, {crm, erp},
	{crm, erp, shopSystem}, {crm, erp, shopSystem},
	{crm, shopSystem}, {erp, shopSystem}, {shopSystem, tillSystem}, {erp, shopSystem, tillSystem},
}

// cast draws who plays in a seed, and what their people do beside editing. Its
// stream is its own, so that what a seed drew before stays as it was.
func (d *swarm) cast(seed uint64, o Options) {
	d.systems, d.personas = []string{crm, erp}, map[string]persona{}
	if o.Plain {
		return
	}
	rng := rand.New(rand.NewPCG(seed, 0x63617374))
	d.systems = castOf[rng.IntN(len(castOf))]
	odd := false
	for _, name := range d.systems {
		if name == crm || name == erp {
			continue
		}
		odd = true
		p := drawPersona(rng, o, d)
		d.personas[name] = p
		if p.Class == connectors.ClassSearch && p.Holds {
			d.rate[stepPause] = 0 // a pause between intent and wire is lateness without bound
		}
	}
	if !odd {
		return
	}
	some := func(share float64) float64 {
		if on := rng.IntN(2) == 0; !on || o.Calm {
			return 0
		}
		return share
	}
	d.clones, d.archives, d.invalid = some(0.05), some(0.04), some(0.1)
	for _, name := range []string{batchMissing, batchPart} {
		if rate := 0.2 * rng.Float64() * some(1); !o.Without[name] && (len(o.Only) == 0 || o.Only[name]) && rate > 0 {
			d.rate[name] = rate
		}
	}
}

func drawPersona(rng *rand.Rand, o Options, d *swarm) persona {
	coin := func() bool { return rng.IntN(2) == 0 }
	column := func(of ...string) string { return of[rng.IntN(len(of))] }
	p := persona{
		Class:  []connectors.CreateClass{connectors.ClassUnique, connectors.ClassUnique, connectors.ClassSearch, connectors.ClassSearch, connectors.ClassBlind}[rng.IntN(5)],
		Upsert: coin(), Answers: coin(), Marks: coin(), Trusted: coin(), Knows: coin(), Visible: coin(), Versions: coin(), Bin: coin(),
		Spells: coin(), Whole: coin(), Names: coin(), Retries: 5 * rng.IntN(2),
	}
	lag, holds := time.Duration(rng.IntN(60))*time.Second, rng.IntN(4) > 0
	p.Settle = 5 * time.Minute
	if p.Class == connectors.ClassSearch {
		p.Lag, p.Holds = lag, holds
		if p.Settle = d.late + patience + time.Minute; !holds {
			p.Settle = 20 * time.Second
		}
	}
	if p.Class == connectors.ClassBlind {
		p.Visible = false
	}
	shout, readOnly, strict := column("", "", "city"), column("", "", "city", "job"), column("", "job")
	if !o.Calm {
		p.Shout, p.ReadOnly, p.Strict = shout, readOnly, strict
	}
	if p.Strict == p.ReadOnly {
		p.Strict = ""
	}
	return p
}
