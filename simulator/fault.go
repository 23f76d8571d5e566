package simulator

import (
	"sync"
	"time"
)

// Effect is what a fault does to a call.
type Effect string

// The effects. "Applied" faults let the call take effect first.
const (
	RefuseStatus Effect = "status"         // answer with Fault.Status, nothing applied
	ApplyStatus  Effect = "applied_status" // apply, then answer with Fault.Status
	DropBefore   Effect = "drop"           // cut the connection, nothing applied
	DropAfter    Effect = "applied_drop"   // apply, then cut the connection
	CutAnswer    Effect = "applied_cut"    // apply, send half of the answer, cut
	Garbage      Effect = "applied_html"   // apply, answer 200 with an HTML page
	DelayApply   Effect = "delay"          // wait Fault.Delay, then go on as usual
)

// Fault is one line of a fault script.
type Fault struct {
	Op     string // the operation it meets, "" for every one
	Object string // the object, "" for every one
	Effect Effect
	Status int
	Header map[string]string // extra headers of the answer, such as Retry-After
	Delay  time.Duration
	Times  int // how many calls it meets; 0 means until Clear
	Skip   int // calls to let pass first
}

// Faults is a script of faults, checked in order; the first that fits a call
// is spent on it.
type Faults struct {
	mu   sync.Mutex
	list []*Fault
	down bool
}

// Add appends a fault to the script.
func (f *Faults) Add(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, &fault)
}

// Clear drops the script and ends an outage.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list, f.down = nil, false
}

// Down starts or ends an outage: every call is cut before it is applied, and
// the vendor's own people go on working.
func (f *Faults) Down(down bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = down
}

// Meet gives the fault that meets this call, if any.
func (f *Faults) Meet(op, object string) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return Fault{Effect: DropBefore}, true
	}
	for i, x := range f.list {
		if (x.Op != "" && x.Op != op) || (x.Object != "" && x.Object != object) {
			continue
		}
		if x.Skip > 0 {
			x.Skip--
			continue
		}
		got := *x
		if x.Times > 0 {
			if x.Times--; x.Times == 0 {
				f.list = append(f.list[:i:i], f.list[i+1:]...)
			}
		}
		return got, true
	}
	return Fault{}, false
}
