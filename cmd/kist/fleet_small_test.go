//go:build interop && !benchmark

package main

// homes is how many homes TestRegistryFleet has.
const homes = 20
