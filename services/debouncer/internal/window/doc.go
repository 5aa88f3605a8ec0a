// Package window keeps the debounce windows of enneo-bridge in Redis: one per key, due one quiet period after its newest
// event and never later than the max wait after its first.
//
// A window says "key K has events up to position p". It goes through arm, due, claim (a lease), flush and complete. It
// holds no data of an event, so repeated, late and out-of-order events cost nothing.
//
// # Guarantees
//
// An armed position is claimed, by a claim that holds this position or a newer one, whatever dies in between: state and
// schedule change in one script, a claim is a lease that ends, and complete ends a window only if nothing newer came
// meanwhile. No two claims of a window live at the same time. A lost claim keeps its first arrival, so a crash never
// starts the max wait anew. Arming is idempotent: whoever gets no answer arms again.
//
// Redis may lose everything. Each script tells whether the shard was emptied (see Refill), so the caller can arm the open
// keys of the event log again. What a failover of Redis lost unnoticed stays open until the key's next event.
//
// # Concurrency
//
// Store and Scheduler are safe for concurrent use by any number of goroutines, processes and replicas. Nobody polls: each
// answer says when the next window of its shard is due, and the script that makes a shard's earliest window earlier
// publishes a wake. Time is the clock of Redis, in milliseconds.
//
// # Layout in Redis
//
// The keys of a shard share its hash tag, so that they are in one slot of a cluster. A key belongs to the shard
// xxhash64(key) modulo the number of shards, which stands in debounce:{shards}:count.
//
//	debounce:{<shard>}:windows   hash, key → state
//	debounce:{<shard>}:due       sorted set, key by the ms from which it can be claimed
//	debounce:{<shard>}:epoch     marker of this life of the data: "-<id>" being refilled, "+<id>" complete
//	debounce:wake                channel; message "<shard> <ms until its earliest window>"
//
// State is numbers and words separated by single spaces. The common window has five, which makes 35 to 44 characters; a
// field that is needed brings those before it along:
//
//	1 epoch     of the newest position held
//	2 sequence  of the newest position held
//	3 first     ms, arrival of the first event that no claim has taken, 0 without one
//	4 wait      ms from first to due
//	5 n         events since first
//	6 cool      urgent events: > 0 ms until which the window cools down; < 0 an urgent event waits, and its flush starts
//	            a cool-down of that length
//	7 traces    of the sampled events since first, 32 characters each (see packTrace): the first of them and the newest
//	            seven; or "-"
//	8 held      ms until which a lease, or the pause after a failed flush, keeps the window from being claimed
//	9 to 15     of the claim: token, epoch, sequence, first, wait, n, traces
//
// A window with neither events nor a claim cools down; the next claim after that removes it.
//
// The user of Redis needs the channel debounce:wake besides the keys debounce:*, where channels are restricted by ACL.
package window
