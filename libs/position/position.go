// Package position orders what happens to a key: a place in the event log.
//
// Positions are immutable values, safe for concurrent use.
package position

import (
	"cmp"
	"fmt"

	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// Position is a sequence of the event log within one life (epoch) of that log. The zero value is before everything.
type Position struct {
	Epoch    uint64
	Sequence uint64
}

// FromProto reads a position from its form on the wire; nil is the zero position.
func FromProto(p *bridgev1.Position) Position {
	return Position{Epoch: p.GetEpoch(), Sequence: p.GetSequence()}
}

// Proto is the position in its form on the wire.
func (p Position) Proto() *bridgev1.Position {
	return &bridgev1.Position{Epoch: p.Epoch, Sequence: p.Sequence}
}

// Compare returns -1, 0 or +1, by epoch first and by sequence then.
func (p Position) Compare(q Position) int {
	return cmp.Or(cmp.Compare(p.Epoch, q.Epoch), cmp.Compare(p.Sequence, q.Sequence))
}

// Covers tells whether everything up to q lies at or before p.
func (p Position) Covers(q Position) bool { return p.Compare(q) >= 0 }

// IsZero tells whether p is before everything.
func (p Position) IsZero() bool { return p == Position{} }

// String is "epoch:sequence", for logs.
func (p Position) String() string { return fmt.Sprintf("%d:%d", p.Epoch, p.Sequence) }
