package fields

import "testing"

// Every transform has samples, and all that bring them back may go every way.
func TestTwoWayTransformsBringTheirSamplesBack(t *testing.T) {
	lossy := map[string]string{asLower: `"Jan Novák" comes back as "jan novák"`}
	for as := range Transforms() {
		if len(samples[as]) == 0 && as != asMap {
			t.Errorf("transform %s has no samples", as)
		}
		spec := Spec{Name: "f", As: as, Columns: map[string][]string{"x": {"a"}, "y": {"b"}}}
		switch as {
		case asMap:
			spec.Values = []Value{{In: map[string][]string{"x": {"1"}, "y": {"2", "3"}}}}
		case asJoin:
			spec.Columns["x"], spec.Params = []string{"a", "c"}, map[string]string{paramSeparator: ", "}
		}
		r, err := Compile(spec)
		if err == nil {
			err = CheckTwoWay(r)
		}
		if want := lossy[as]; want == "" && err != nil || want != "" && (err == nil || err.Error() != want) {
			t.Errorf("%s: %v; want %q", as, err, want)
		}
	}
	for as, country := range map[string]string{asPhone: "CZ", asVAT: "CZ"} {
		if err := CheckTwoWay(row(t, as, map[string]string{"country": country})); err != nil {
			t.Errorf("%s: %v", as, err)
		}
	}
}

func TestRoundedNumberIsLossy(t *testing.T) {
	for scale, want := range map[string]string{"0": `"12.6" comes back as "13"`, "2": `"12.336" comes back as "12.34"`} {
		if err := CheckTwoWay(row(t, asNumber, map[string]string{"scale": scale})); err == nil || err.Error() != want {
			t.Errorf("scale %s: %v; want %s", scale, err, want)
		}
	}
}

func TestSplitNameMayGoEveryWay(t *testing.T) {
	r, err := Compile(Spec{Name: "name", As: asName, Columns: map[string][]string{"x": {"first", "last"}, "y": {"name"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckTwoWay(r); err != nil {
		t.Error(err)
	}
}

func TestDayDoesNotKeepATime(t *testing.T) {
	const moment = "2026-11-20T15:04:05Z"
	if row(t, asDate, nil).Keeps(moment) || !row(t, asText, nil).Keeps(moment) {
		t.Error("a day keeps a time, or a text does not")
	}
}
