// Package demo is the main job of enneo-bridge, to be looked at: bursts of changes in a simulated ERP, told by real
// webhooks, and what they cost in the ERP and in Enneo, counted by those two themselves.
//
// # Guarantees
//
// Nothing is taken from the services' own word: reads and requests are counted in the simulator's journal, the balance is
// an audit of the whole event log, and the end state is compared record by record. Nothing is waited for by the clock
// except that silence lasts.
//
// # Concurrency
//
// Run uses several goroutines and has ended all of them when it returns. A Report belongs to one goroutine.
package demo
