package reconciler

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
)

// byOffset is an ERP whose list of contracts is paged by offset. Entries without a contract id, and several for one contract, count
// for the offset like any other.
type byOffset struct {
	entries []string

	mu      sync.Mutex
	offsets []int
}

func (e *byOffset) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	offset, _ := strconv.Atoi(r.URL.Query().Get("offset")) // None is 0.
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	e.mu.Lock()
	e.offsets = append(e.offsets, offset)
	e.mu.Unlock()
	rows := []string{}
	for _, id := range e.entries[min(offset, len(e.entries)):min(offset+limit, len(e.entries))] {
		rows = append(rows, fmt.Sprintf(`{"id":%s,"customerId":"k-%d"}`, id, len(rows)))
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"items":[%s]}`, strings.Join(rows, ",")) // A reader that is gone asks again.
}

func TestAListThatIsPagedByOffsetIsListedToItsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	erp := &byOffset{}
	for range 5 {
		erp.entries = append(erp.entries, "1.5") // A whole page of what is no id.
	}
	for i := range 10 {
		erp.entries = append(erp.entries, fmt.Sprintf(`"c-%d"`, i))
	}
	erp.entries = append(erp.entries, `"c-9"`, `"c-10"`)
	server := httptest.NewServer(erp)
	defer server.Close()
	got := w.run(Options{}, map[string]string{
		"SOURCE_ERP_HOST": server.URL, "RECONCILE_PAGE_SIZE": "5",
		"SOURCE_ERP_PROFILE": w.withLists("  list_all:\n    path: /contracts\n    query: {limit: limit, offset: offset}\n" +
			"    contract_ids: [/items/*/id]\n    customer_ids: [/items/*/customerId]\n"),
	})
	// What is no id is reported once for each page and pointer.
	if got.code() != exitFailures || got.last.Failed != 1 {
		t.Errorf("exit code %d, %s: %v", got.code(), got.last.Tally, got.err)
	}
	if want := []int{0, 5, 10, 15, 17}; !slices.Equal(erp.offsets, want) {
		t.Errorf("offsets %v, want %v", erp.offsets, want)
	}
	for i := range 11 {
		if n := w.messages(bus.StreamEvents, bus.EventSubject(contract(fmt.Sprintf("c-%d", i)))); n != 1 {
			t.Errorf("%d events of contract %d", n, i)
		}
	}
}
