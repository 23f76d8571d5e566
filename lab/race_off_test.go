//go:build !race

package lab

// defaultSeeds is what a merge plays.
const defaultSeeds = 1000

// defaultPostgres is how many of them run on PostgreSQL, too.
const defaultPostgres = 20
