package bus

import (
	"context"
	"slices"
)

// Gates is the gate behind all of these: a message may be pulled when each lets it through, in the order given. One that
// takes its time, such as a probe of a target, belongs last.
func Gates(gates ...Gate) Gate { return gatesInRow(gates) }

type gatesInRow []Gate

// Enter implements Gate.
func (g gatesInRow) Enter(ctx context.Context) (leave func(), err error) {
	leaves := make([]func(), 0, len(g))
	leave = func() {
		for _, one := range leaves {
			one()
		}
	}
	for _, one := range g {
		left, err := one.Enter(ctx)
		if err != nil {
			leave()
			return nil, err
		}
		leaves = append(leaves, left)
	}
	return leave, nil
}

// Probing implements Prober: one of them is enough.
func (g gatesInRow) Probing() bool { return slices.ContainsFunc(g, probing) }
