//go:build !race

package lab

// defaultSeeds is what a merge plays.
const defaultSeeds = 500
