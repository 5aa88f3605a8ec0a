// Package openkeys follows the event log and what is settled, and knows which keys are open: which sequences, since when,
// and what all events add up to. It is what the sweeper sweeps and what the live balance is exported from.
//
// # Guarantees
//
// Once it has caught up, accepted = settled + open + expired holds for every source at every moment. (Expired is what left
// the log unsettled although nobody is configured to read it; it should always be 0.) Memory grows with the open keys and
// not with the log: the events of a key are kept one by one only up to a small number; beyond that neighbours are merged,
// and read again from the log when a settlement falls between them.
//
// # Where it begins
//
// A watermark in the bucket BRIDGE says up to which sequence everything is settled, and up to which revision of SETTLED
// nothing is owed, together with what the events up to there add up to. So a restart reads what came after, and goes on
// counting where its predecessor stopped. It moves in steps: at a checkpoint the position of reading is noted, and once
// nothing up to there is open the watermark moves there. The watermark is written by compare-and-set against the revision
// that this process read or wrote last, so it never moves backwards under a new leader, whatever a paused one does.
//
// A new log epoch begins without it, and so does a SETTLED that was recreated, set back, or had a record removed by hand
// while somebody followed it.
//
// # What is counted how
//
// An event counts as accepted under its origin. It is settled with the outcome of the settlement that covers it if that
// settlement names its very sequence, and as superseded if it is older: a read for a newer event of the key covers it.
//
// # Concurrency
//
// Book and Tracker are safe for concurrent use. One goroutine, that of Tracker.Run, changes what is known.
package openkeys
