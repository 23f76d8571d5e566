//go:build race

package lab

// defaultSeeds is small under the race detector: it is slow, and one thread of
// control gives it little to find.
const defaultSeeds = 40

const defaultPostgres = 2
