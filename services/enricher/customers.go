package enricher

import (
	"context"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
)

// tellCustomers appends an event for each customer whose list of contracts no longer fits what was read of a contract, if the
// ERP has a read for customers.
func (e *enricher) tellCustomers(ctx context.Context, k key.Key, st state, mapped profile.Mapped) error {
	if k.Kind != key.Contract || !e.reader.Supports(key.Customer) {
		return nil
	}
	return e.shelf().TellCustomers(ctx, k, st.need.Position, st.snap.Value.GetCustomerId(), mapped)
}
