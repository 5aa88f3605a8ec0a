// Package chaos runs the services as real processes with replicas, real NATS and real Redis, deals them a seeded plan of
// blows under load, and then checks every single accepted event against what the simulated ERP and Enneo have recorded.
//
// # What a run proves
//
//   - Lost: for each event that was answered 202 there is a good read of its contract that began after the event was sent,
//     and Enneo was given the state of that read or a newer one. Nothing is open in the end, nothing became a dead letter,
//     and Enneo holds what the ERP holds.
//   - Overlaps: no two requests to Enneo for one key at once. Those around a publisher that was paused for longer than its
//     lease are counted apart: nothing outside the process can tell that it will not send any more.
//   - Older over newer: never, with the same exception; and never in the end.
//   - Superfluous reads: reads without a new event before them, or beyond one per window, are counted by the blow before
//     them. One without a new event that no blow explains is a violation.
//
// All that was recorded is kept as evidence.json beside the logs.
//
// The same seed gives the same plan, faults and traffic; when the processes are hit depends on the machine.
//
// # Concurrency
//
// Run may be called several times at once, with a folder for each.
package chaos
