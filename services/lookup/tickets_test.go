package lookup

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/enneo-ai/enneo-bridge/libs/canary"
)

func TestGuessingIsLimitedByTicket(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.contracts[0]
	w.carried(contract(id))
	r := w.start(map[string]string{"LOOKUP_MODE": "model", "LOOKUP_TICKET_ATTEMPTS": "10"})
	var refused atomic.Int64
	var group errgroup.Group
	for i := range 40 {
		group.Go(func() error {
			got, err := r.try(t.Context(), http.MethodPost, "/v1/contract/search", fmt.Sprintf(`{"ticketId":"guess","contractId":"VN-%d"}`, i), "Bearer "+testToken)
			if got.header.Get(headerLimited) == "ticket" {
				refused.Add(1)
			}
			if err == nil && got.body != "{}" {
				err = fmt.Errorf("a guess found somebody: %d", got.status)
			}
			return err
		})
	}
	w.must(group.Wait())
	if n := refused.Load(); n != 30 {
		t.Errorf("%d of 40 guesses were refused, want 30", n)
	}
	if got := r.search(t, map[string]any{"ticketId": "guess", "contractId": id}); got.body != "{}" || got.header.Get(headerLimited) == "" {
		t.Errorf("after too many guesses a right one finds somebody: %t", got.body != "{}")
	}
	if got := r.search(t, map[string]any{"ticketId": "another", "contractId": id}); got.body == "{}" {
		t.Error("another ticket finds nobody")
	}
	if strings.Contains(r.log.String(), "guess\"") || strings.Contains(r.log.String(), "VN-") {
		t.Error("the log holds a ticket or an id")
	}
	if n := r.metric("bridge_lookup_tickets_limited_total"); n != 31 {
		t.Errorf("%v limited calls were counted, want 31", n)
	}
}

func TestSearchesThatFindSomebodyDoNotCount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.contracts[0]
	w.carried(contract(id))
	r := w.start(map[string]string{"LOOKUP_MODE": "model", "LOOKUP_TICKET_ATTEMPTS": "2"})
	for range 5 {
		if got := r.search(t, map[string]any{"ticketId": 7, "contractId": id}); got.body == "{}" {
			t.Fatal("a ticket that finds somebody is limited")
		}
	}
}

func TestTicketsAreCountedWithoutRedis(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.contracts[0]
	w.carried(contract(id))
	r := w.start(map[string]string{"LOOKUP_MODE": "auto", "LOOKUP_TICKET_ATTEMPTS": "3"})
	w.redis.Kill(t)
	for range 5 {
		if got := r.search(t, map[string]any{"ticketId": "t", "contractId": id}); got.status != http.StatusOK || got.body == "{}" {
			t.Fatalf("without Redis somebody is not found: %d", got.status)
		}
	}
	for i := range 5 {
		got := r.search(t, map[string]any{"ticketId": "t", "contractId": "VN-nobody"})
		if limited := got.header.Get(headerLimited) != ""; limited != (i >= 3) {
			t.Errorf("guess %d is limited: %t", i, limited)
		}
	}
	// A read of the ERP does without it as well.
	if got := r.ask(t, w.contracts[1]); got.origin() != string(fromERP) {
		t.Errorf("without Redis a contract is answered %d from %s", got.status, got.origin())
	}
}

func TestLegitimationIsOverriddenByRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, p := w.single(0), canary.NewPerson(41)
	w.person(id, p)
	w.carried(contract(id))
	holder := w.holderOf(id)
	r := w.start(map[string]string{
		"LOOKUP_MODE": "model", "LOOKUP_LEGITIMATION": "10=,20=contractId+postalCode", "LOOKUP_LEGITIMATION_MESSAGES": "20:number and postcode agree",
	})
	got := r.search(t, map[string]any{"ticketId": 1, "contractId": id, "postalCode": p.Zip})
	got.expect(t, http.StatusOK, fromModel, fmt.Sprintf(
		`{"contractId":%q,"customerId":%q,"customerLegitimation":20,"customerLegitimationMessage":"number and postcode agree"}`, id, holder))
	got = r.search(t, map[string]any{"ticketId": 1, "email": p.Email})
	got.expect(t, http.StatusOK, fromModel, fmt.Sprintf(`{"contractId":%q,"customerId":%q,"customerLegitimation":10}`, id, holder))
}
