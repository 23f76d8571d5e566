package fields

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// lensPairs is how many current records of a system each sampled value is put
// into. All pairs would be quadratic.
const lensPairs = 8

// CheckLens tries the lens laws on records sampled from each system
// (CORRECTNESS F28). The error names the row, the system and the place of the
// sample, never a value.
func CheckLens(r *Row, samples map[string][]map[string]string) error {
	systems := slices.Sorted(maps.Keys(samples))
	var canonical []string
	for _, system := range systems {
		for i, sample := range samples[system] {
			c, ok := r.Get(system, sample)
			if !ok {
				continue
			}
			if r.Norm(c) != c {
				return fmt.Errorf("field %q: the value of %s sample %d does not stay as it is when read again", r.name, system, i+1)
			}
			if len(r.Put(system, c, sample)) != 0 {
				return fmt.Errorf("field %q: writing the value of %s sample %d back changes the record (GetPut)", r.name, system, i+1)
			}
			canonical = append(canonical, c)
		}
	}
	for _, system := range systems {
		if !r.Has(system) {
			continue
		}
		for i, c := range canonical {
			if err := checkPutGet(r, system, c, nil); err != nil {
				return err
			}
			for k := range min(lensPairs, len(samples[system])) {
				current := samples[system][(i+k)%len(samples[system])]
				if err := checkPutGet(r, system, c, current); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// CheckTwoWay tries a row that goes every way on the built-in samples of its
// transform: each must come back as it was from a record that holds nothing else,
// and the lens laws must hold for all of them (CORRECTNESS F28). A transform that
// drops letter case, or decimals, does not bring its samples back. The samples of
// the definition must come back, too: as they are to at least one of the systems.
func CheckTwoWay(r *Row) error {
	if r.unknown == UnknownDefault {
		return errors.New("every value that is not among its values comes back as the default")
	}
	records := map[string][]map[string]string{}
	for _, system := range slices.Sorted(maps.Keys(r.columns)) {
		for _, sample := range r.samples {
			if !r.Holds(sample) {
				continue // it does not flow, and says so
			}
			record := r.Put(system, sample, nil)
			if back, ok := r.Get(system, record); !ok || back != sample {
				return fmt.Errorf("%q comes back as %q", sample, back)
			}
			records[system] = append(records[system], record)
		}
	}
	for _, sample := range r.asked {
		if err := r.bringsBack(sample); err != nil {
			return err
		}
	}
	return CheckLens(r, records)
}

// bringsBack sends a sample from each system with one column to all others and
// back again.
func (r *Row) bringsBack(sample string) error {
	var refusal error
	for _, system := range slices.Sorted(maps.Keys(r.columns)) {
		if len(r.columns[system]) != 1 {
			continue
		}
		back, err := r.journey(system, sample)
		switch {
		case err == nil && back == sample:
			return nil
		case err == nil:
			err = fmt.Errorf("the sample %q comes back as %q", sample, back)
		}
		if refusal == nil {
			refusal = err
		}
	}
	if refusal == nil {
		refusal = errors.New("samples need a system with one column")
	}
	return refusal
}

// journey gives what becomes of a text that goes from one system through all.
func (r *Row) journey(home, sample string) (string, error) {
	canonical, _, fault := r.Read(home, map[string]string{r.columns[home][0]: sample})
	if fault != nil {
		return "", fmt.Errorf("the sample %q does not flow from %s: %s", sample, home, fault.Detail)
	}
	for _, system := range slices.Sorted(maps.Keys(r.columns)) {
		there, ok := r.Get(system, r.Put(system, canonical, nil))
		if !ok || there != canonical {
			return there, nil
		}
	}
	return r.Put(home, canonical, nil)[r.columns[home][0]], nil
}

// Keeps says whether a value is whole in the row's canonical form.
func (r *Row) Keeps(value string) bool { return r.norm(value) == value }

// checkPutGet puts a canonical value into a record and reads it back.
func checkPutGet(r *Row, system, canonical string, current map[string]string) error {
	writes := r.Put(system, canonical, current)
	columns := r.ColumnsOf(system)
	after := maps.Clone(current)
	if after == nil {
		after = map[string]string{}
	}
	for column, v := range writes {
		if !slices.Contains(columns, column) {
			return fmt.Errorf("field %q: writing to %s touches column %q, which is not its own", r.name, system, column)
		}
		after[column] = v
	}
	if got, ok := r.Get(system, after); !ok || got != canonical {
		return fmt.Errorf("field %q: a value written to %s is not the value read back (PutGet)", r.name, system)
	}
	return nil
}
