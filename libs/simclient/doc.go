// Package simclient is the typed client of the simulator's control API, and the home of that API's JSON structures: the
// simulator decodes and encodes exactly these types.
//
// # Usage
//
//	sim := simclient.New("http://127.0.0.1:8070", nil)
//	revisions, err := sim.Change(ctx, simclient.Change{Contracts: []string{"VN-100001"}, StatusID: 6000})
//	fault, err := sim.AddFault(ctx, simclient.Fault{System: simclient.Enneo, Action: simclient.Hold, Count: 1})
//	_, err = sim.AwaitHeld(ctx, fault.ID, 1)
//	err = sim.Release(ctx, simclient.Release{Fault: fault.ID})
//
// Nothing here waits by the clock: the Await calls block until the simulator reports what they wait for, or until their
// context ends.
//
// # Concurrency
//
// A Client is immutable and safe for concurrent use.
package simclient
