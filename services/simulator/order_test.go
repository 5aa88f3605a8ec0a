package simulator

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

func (f *fixture) summary() simclient.Summary {
	f.t.Helper()
	summary, err := f.control.Summary(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return summary
}

func (f *fixture) put(id, more string) {
	f.t.Helper()
	if got := f.call(http.MethodPut, enneoPath("contract", id), contractBody(id, more)); got.status >= 300 {
		f.t.Fatalf("put is answered %d %s", got.status, got.body)
	}
}

// held sends a put of the contract that the next hold keeps, and returns when it is kept. The returned functions cancel
// the request, and wait for its end.
func (f *fixture) held(id string) (fault simclient.Fault, cancel, wait func()) {
	f.t.Helper()
	fault = f.fault(simclient.Fault{System: simclient.Enneo, EntityID: id, Action: simclient.Hold, Count: 1})
	ctx, cancel := context.WithCancel(f.t.Context())
	f.t.Cleanup(cancel)
	var done sync.WaitGroup
	request := f.request(http.MethodPut, enneoPath("contract", id), contractBody(id, "")).WithContext(ctx)
	done.Go(func() { _, _ = f.send(request) })
	if _, err := f.control.AwaitHeld(f.t.Context(), fault.ID, 1); err != nil {
		f.t.Fatal(err)
	}
	return fault, cancel, done.Wait
}

func TestTwoWritesForOneKeyOverlap(t *testing.T) {
	t.Parallel()
	f := start(t)
	hold, _, wait := f.held("VN-1")
	f.put("VN-1", "")
	f.put("VN-2", "")
	f.call(http.MethodPut, enneoPath("customer", "VN-1"), `{"id":"VN-1","business":false,"lastname":"a","company":null,"contractIds":["VN-1"]}`)
	f.call(http.MethodGet, enneoPath("contract", "VN-1"), "")
	if err := f.control.Release(t.Context(), simclient.Release{Fault: hold.ID}); err != nil {
		t.Fatal(err)
	}
	wait()
	f.put("VN-1", "") // one after the other is no overlap
	if got := f.summary().Overlaps; got != 1 {
		t.Errorf("%d overlaps, want 1", got)
	}
	marked := f.journal(simclient.JournalQuery{Overlapped: true})
	if len(marked) != 2 || marked[0].ID != "VN-1" || marked[1].ID != "VN-1" || marked[0].Kind != key.Contract || marked[1].Kind != key.Contract {
		t.Errorf("marked are %+v, want both writes of the contract", marked)
	}
}

func TestAbandonedWriteGoesOnAndOverlaps(t *testing.T) {
	t.Parallel()
	f := start(t)
	hold, cancel, wait := f.held("VN-1")
	cancel()
	wait()
	f.put("VN-1", `,"email":"new@example.com"`)
	if got := f.summary().Overlaps; got != 1 {
		t.Errorf("%d overlaps, want the one with the abandoned write", got)
	}
	if err := f.control.Release(t.Context(), simclient.Release{Fault: hold.ID}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.control.AwaitRequests(t.Context(), simclient.JournalQuery{Operation: "put_contract"}, 2); err != nil {
		t.Fatal(err)
	}
	entries := f.journal(simclient.JournalQuery{Operation: "put_contract"})
	if entries[0].Abandoned || !entries[1].Abandoned || !entries[1].Overlapped || entries[1].Status != 200 {
		t.Errorf("the journal says %+v", entries)
	}
	if got := f.call(http.MethodGet, enneoPath("contract", "VN-1"), "").object(t)["email"]; got != nil {
		t.Errorf("the abandoned write did not take effect last: the address is %v", got)
	}
}

func TestInvalidationsAndNotificationsOverlapToo(t *testing.T) {
	t.Parallel()
	f := start(t)
	hold, _, wait := f.held("VN-1")
	request := f.request(http.MethodPost, "/enneo/api/mind/customer/invalidateCache", "contractId=VN-1")
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if _, err := f.send(request); err != nil {
		t.Fatal(err)
	}
	f.call(http.MethodPost, "/enneo/api/mind/webhook/powercloud", `{"contractId":"VN-1","contract":{"id":"VN-1"}}`)
	if err := f.control.Release(t.Context(), simclient.Release{Fault: hold.ID}); err != nil {
		t.Fatal(err)
	}
	wait()
	if got := f.summary().Overlaps; got != 2 {
		t.Errorf("%d overlaps, want 2", got)
	}
	f.call(http.MethodPost, "/enneo/api/mind/webhook/powercloud", `{"contractId":"VN-1","contract":{"id":"VN-1"}}`)
	if got := f.summary().Overlaps; got != 2 {
		t.Errorf("%d overlaps after a body that names a key twice, want 2", got)
	}
}

func TestOneAfterTheOtherNeverOverlaps(t *testing.T) {
	t.Parallel()
	f := start(t)
	var wait sync.WaitGroup
	for worker := range 8 {
		wait.Go(func() {
			id := fmt.Sprintf("VN-%d", worker)
			for range 50 {
				// The answer is out before the next request is sent; the client sends that at once.
				if got, err := f.send(f.request(http.MethodPut, enneoPath("contract", id), contractBody(id, ""))); err != nil || got.status >= 300 {
					t.Errorf("put is answered %d, %v", got.status, err)
				}
			}
		})
	}
	wait.Wait()
	summary := f.summary()
	if summary.Overlaps != 0 {
		t.Errorf("%d overlaps", summary.Overlaps)
	}
	if got := summary.Systems[simclient.Enneo].Operations["put_contract"]; got.Requests != 400 || got.MaxPerID != 50 || got.PerID[50] != 8 {
		t.Errorf("summary is %+v", got)
	}
}

func TestOlderOverNewerIsARegression(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.put("VN-1", `,"revision":5`)
	f.put("VN-1", `,"revision":5`)
	f.put("VN-1", `,"revision":"7"`)
	f.put("VN-1", "")
	f.put("VN-2", `,"revision":1`)
	if got := f.summary().Regressions; got != 0 {
		t.Errorf("%d regressions before the first one", got)
	}
	f.put("VN-1", `,"revision":6`)
	if got := f.summary().Regressions; got != 1 {
		t.Errorf("%d regressions, want 1", got)
	}
	if entry := f.one(simclient.JournalQuery{Regression: true}); entry.ID != "VN-1" || entry.Revision != 6 {
		t.Errorf("the journal marks %+v", entry)
	}
}

func TestOlderStateAfterAJustifiedDeleteIsARegression(t *testing.T) {
	t.Parallel()
	f := start(t)
	const id = "VN-100001"
	f.put(id, `,"revision":1`)
	f.change(id, 6000)
	if got := f.call(http.MethodDelete, enneoPath("contract", id), ""); got.status != 200 {
		t.Fatalf("delete is answered %d", got.status)
	}
	f.put(id, `,"revision":1`)
	if got := f.summary().Regressions; got != 0 {
		t.Errorf("%d regressions although the ERP has the contract", got)
	}
	if _, err := f.control.Delete(t.Context(), simclient.Ref{Kind: key.Contract, ID: id}); err != nil {
		t.Fatal(err)
	}
	f.call(http.MethodDelete, enneoPath("contract", id), "")
	f.put(id, `,"revision":2`)
	if got := f.summary().Regressions; got != 1 {
		t.Errorf("%d regressions, want the put of what the ERP had before it deleted", got)
	}
}
