// Package outage measures what a long outage costs, with the services as real processes: contracts change all the time, the
// simulated ERP is dead for a while and comes back, and then the same with Enneo.
//
// # How it is counted
//
// A read is counted by when it began: before the outage, during it, or after it. During the outage every request is refused by
// a reset connection, so what was begun then can only be a probe. Changes go on until the outage is over, or almost:
//
//   - ERP: changes stop at the moment of recovery, and no earlier. Some windows are open then, and every contract has a ticket
//     that waits or will get one. A read that begins after recovery therefore covers everything that ever happened to its
//     contract, and exactly one good read of each contract is right: the ticket of a window that was still open finds itself
//     covered.
//   - Enneo: the ERP answers all the time, so reads go on as usual. Changes stop as long before recovery as the last windows
//     take to be read, at most one max wait. What waits then is one ticket per contract for the newest snapshot, and exactly one
//     request for each contract is right. Were changes to go on, a contract would cost one more request for the window that was
//     open at recovery, as in any other moment.
//
// # Concurrency
//
// Run may be called several times at once, with a folder for each.
package outage
