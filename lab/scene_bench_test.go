package lab

import "testing"

// BenchmarkScene is one run of an ordinary scene with one crash.
func BenchmarkScene(b *testing.B) {
	o := options(b)
	list := scenes()
	for i := range b.N {
		if _, err := list[0].run(o, injection{1 + i%70, stepCrash}); err != nil {
			b.Fatal(err)
		}
	}
}
