package reconciler

import (
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
	"github.com/enneo-ai/enneo-bridge/libs/record"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// item is one key as a listing shows it.
type item struct {
	key key.Key
	// whole: the listing shows all of it, as mapped and body (the canonical JSON) hold it.
	whole   bool
	removed bool
	mapped  profile.Mapped
	body    string
	// err says why it cannot be mapped.
	err error
}

// known is what is known of a key.
type known struct {
	settled ledger.Entry
	snap    record.Entry[bridgev1.Snapshot, *bridgev1.Snapshot]
	last    eventlog.Last
	// found: the log has an event of the key.
	found bool
}

// horizon is what was known of the log before a listing was asked for. The listing shows what every event up to it told, and
// maybe not what a later one tells.
type horizon struct {
	end position.Position
	// at is by this process's clock, stored by that of the server.
	at, stored time.Time
}

// class is what a key counts as.
type class int

const (
	classUnchanged class = iota
	classNew
	classChanged
	classGone
	classLive
	classFailed
)

// decision is what is to be done about a key.
type decision struct {
	class class
	// event: append one, if the key's newest event is still the one that is known.
	event bool
	// store: store what the listing shows as a snapshot. It covers the event that is appended or, without one, the last known.
	store bool
}

// rules are what else a decision depends on.
type rules struct {
	// mode is Changed if an id alone says that something has changed. In mode Full it says nothing about a known key, and in mode
	// Reread that a read is wanted.
	mode Mode
	// minAge is how old an event must be before the ERP shows what it told.
	minAge time.Duration
}

// decide is pure: it says what a listed key needs.
func decide(it *item, k *known, h *horizon, r rules) decision {
	open := k.found && !ledger.Settles(k.settled.Value, k.last.Position)
	covers := position.FromProto(k.snap.Value.GetCovers())
	read := k.snap.Revision != 0 && !covers.IsZero()
	has := read && !k.snap.Value.GetGone()
	// Without an event in the log, SETTLED alone says whether what was read has ever reached Enneo: a log that was set back may
	// have lost the event that asked for it.
	owed := read && !k.found && !ledger.Settles(k.settled.Value, covers)
	covered := read && !owed && (!k.found || covers.Covers(k.last.Position))
	same := has && it.whole && it.body == k.snap.Value.GetBody()
	changed := classChanged
	if !has {
		changed = classNew
	}
	switch {
	case k.found && k.last.Position.Compare(h.end) > 0:
		// A change that came after the listing was asked for: its own read shows more.
		return decision{class: classLive}
	case it.err != nil:
		// The read of the key itself decides; it has ended as a dead letter already if nothing came since.
		dead := k.settled.Value.GetOutcome() == bridgev1.Outcome_OUTCOME_DEAD_LETTER
		return decision{class: classFailed, event: !open && !dead}
	case it.removed || it.mapped.Gone:
		if !has && (covered || !inEnneo(k.settled.Value)) {
			return decision{class: classUnchanged}
		}
		return decision{class: classGone, event: true}
	case !it.whole && r.mode == Full && has:
		return decision{class: classUnchanged}
	case !it.whole && r.mode != Changed && open:
		return decision{class: classLive}
	case !it.whole:
		return decision{class: changed, event: true}
	case k.snap.Revision != 0 && k.snap.StoredAt.After(h.stored):
		// Read since the listing was asked for, so it may show less than what is stored; a read of the key itself tells.
		return decision{class: classOf(same, changed), event: !same}
	case owed:
		return decision{class: changed, event: true, store: true}
	case covered && same:
		return decision{class: classUnchanged}
	case !covered && open:
		if k.last.At.Add(r.minAge).After(h.stored) {
			return decision{class: classLive}
		}
		// What the read of this event would find stands in the listing.
		return decision{class: classOf(same, changed), store: true}
	case same:
		return decision{class: classUnchanged}
	default:
		return decision{class: changed, event: true, store: true}
	}
}

func classOf(same bool, otherwise class) class {
	if same {
		return classUnchanged
	}
	return otherwise
}

// inEnneo tells whether Enneo may have the key.
func inEnneo(s *bridgev1.Settlement) bool {
	switch s.GetOutcome() {
	case bridgev1.Outcome_OUTCOME_UNSPECIFIED, bridgev1.Outcome_OUTCOME_DELETED:
		return false
	default:
		return true
	}
}

// add counts a key.
func (t *Tally) add(c class) {
	switch c {
	case classNew:
		t.New++
	case classChanged:
		t.Changed++
	case classUnchanged:
		t.Unchanged++
	case classGone:
		t.Gone++
	case classLive:
		t.Live++
	case classFailed:
		t.Failed++
	}
}
