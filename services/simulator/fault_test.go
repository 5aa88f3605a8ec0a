package simulator

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

func TestFaultsThatAnswer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault  simclient.Fault
		path   func(*fixture) string
		status int
		body   string // a part of it
		header string // Retry-After
	}{
		"a status with Retry-After": {
			simclient.Fault{System: simclient.Generic, Action: simclient.Status, Status: 429, RetryAfter: "7"},
			func(*fixture) string { return genericPath("contract", "VN-100001") }, 429, "Too Many Requests", "7",
		},
		"a status with a body": {
			simclient.Fault{System: simclient.Enneo, Action: simclient.Status, Status: 503, Body: `{"why":"because"}`},
			func(*fixture) string { return enneoPath("contract", "VN-100001") }, 503, "because", "",
		},
		"a web page": {
			simclient.Fault{System: simclient.LynqTech, Action: simclient.HTML},
			func(*fixture) string { return lynqtechPath("contract", "VN-100001") }, 200, "<!DOCTYPE html>", "",
		},
		"a web page with a status": {
			simclient.Fault{System: simclient.LynqTech, Action: simclient.HTML, Status: 502},
			func(*fixture) string { return lynqtechPath("contract", "VN-100001") }, 502, "<html>", "",
		},
		"a failure of powercloud": {
			simclient.Fault{System: simclient.Powercloud, Action: simclient.Failure},
			func(f *fixture) string { return f.powercloud("getContractById", "VN-100001") }, 200, `"success":false`, "",
		},
		"a failure of lynqtech": {
			simclient.Fault{System: simclient.LynqTech, Action: simclient.Failure},
			func(*fixture) string { return lynqtechPath("contract", "VN-100001") }, 200, `"code":"INTERNAL_ERROR"`, "",
		},
		"a failure of the generic ERP": {
			simclient.Fault{System: simclient.Generic, Action: simclient.Failure},
			func(*fixture) string { return genericPath("contract", "VN-100001") }, 200, `"error":`, "",
		},
		"a failure of enneo": {
			simclient.Fault{System: simclient.Enneo, Action: simclient.Failure, Phase: simclient.After},
			func(*fixture) string { return enneoPath("contract", "VN-100001") }, 200, `"success":false`, "",
		},
		"another record of powercloud": {
			simclient.Fault{System: simclient.Powercloud, Action: simclient.WrongID},
			func(f *fixture) string { return f.powercloud("getContractById", "VN-100001") }, 200, `"id":"VN-100002"`, "",
		},
		"another record of lynqtech": {
			simclient.Fault{System: simclient.LynqTech, Action: simclient.WrongID},
			func(*fixture) string { return lynqtechPath("customer", "K-50002") }, 200, `"id":"K-50001"`, "",
		},
		"another record of the generic ERP": {
			simclient.Fault{System: simclient.Generic, Action: simclient.WrongID},
			func(*fixture) string { return genericPath("contract", "VN-100001") }, 200, `"id":"VN-100002"`, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t)
			c.fault.Count = 1
			f.fault(c.fault)
			got := f.call(http.MethodGet, c.path(f), "")
			if got.status != c.status || !strings.Contains(string(got.body), c.body) || got.header.Get("Retry-After") != c.header {
				t.Errorf("answer is %d, Retry-After %q, %s", got.status, got.header.Get("Retry-After"), got.body)
			}
			if next := f.call(http.MethodGet, c.path(f), ""); next.status != 200 || strings.Contains(string(next.body), c.body) {
				t.Errorf("the request after it is answered %d %s", next.status, next.body)
			}
			entries := f.journal(simclient.JournalQuery{})
			if diff := cmp.Diff([]simclient.Action{c.fault.Action}, entries[0].Faults); entries[0].Status != c.status || diff != "" {
				t.Errorf("the journal says %+v (-want +got):\n%s", entries[0], diff)
			}
		})
	}
}

func TestFaultsThatLoseTheAnswer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault   simclient.Fault
		want    error
		written bool
		status  int
	}{
		"reset before":  {simclient.Fault{Action: simclient.Reset}, syscall.ECONNRESET, false, 0},
		"reset after":   {simclient.Fault{Action: simclient.Reset, Phase: simclient.After}, syscall.ECONNRESET, true, 0},
		"truncated":     {simclient.Fault{Action: simclient.Truncate}, io.ErrUnexpectedEOF, true, 201},
		"status before": {simclient.Fault{Action: simclient.Status, Status: 500}, nil, false, 500},
		"status after":  {simclient.Fault{Action: simclient.Status, Status: 500, Phase: simclient.After}, nil, true, 500},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t)
			c.fault.System, c.fault.Method = simclient.Enneo, http.MethodPut
			f.fault(c.fault)
			request := f.request(http.MethodPut, enneoPath("contract", "VN-1"), contractBody("VN-1", ""))
			request.GetBody = nil // so that the transport does not try again by itself
			if got, err := f.send(request); !errors.Is(err, c.want) {
				t.Errorf("the answer is %d, %v; want the error %v", got.status, err, c.want)
			}
			if _, written := f.call(http.MethodGet, enneoPath("contract", "VN-1"), "").object(t)["lastname"]; written != c.written {
				t.Errorf("the contract is written: %t, want %t", written, c.written)
			}
			if entry := f.one(simclient.JournalQuery{Operation: "put_contract"}); entry.Status != c.status {
				t.Errorf("the journal says %+v, want the status %d", entry, c.status)
			}
		})
	}
}

func TestHangEndsWithTheClient(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.fault(simclient.Fault{System: simclient.Generic, Action: simclient.Hang})
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	wait.Go(func() {
		if _, err := f.send(f.request(http.MethodGet, genericPath("contract", "VN-100001"), "").WithContext(ctx)); !errors.Is(err, context.Canceled) {
			t.Errorf("the request ended with %v, want context.Canceled", err)
		}
	})
	for applied := 0; applied == 0; {
		faults, err := f.control.Faults(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		applied = faults[0].Applied
	}
	if entries := f.journal(simclient.JournalQuery{}); len(entries) != 0 {
		t.Errorf("the request has ended: %+v", entries)
	}
	cancel()
	wait.Wait()
	if _, err := f.control.AwaitRequests(t.Context(), simclient.JournalQuery{}, 1); err != nil {
		t.Fatal(err)
	}
	if entry := f.one(simclient.JournalQuery{}); entry.Status != 0 || !entry.Abandoned {
		t.Errorf("the journal says %+v", entry)
	}
}

func TestDelayIsOnTheSideItIsSetTo(t *testing.T) {
	t.Parallel()
	const delay = 30 * time.Millisecond
	for _, phase := range []simclient.Phase{simclient.Before, simclient.After} {
		t.Run(string(phase), func(t *testing.T) {
			t.Parallel()
			f := start(t)
			f.fault(simclient.Fault{System: simclient.Enneo, Operation: "put_contract", Action: simclient.Delay, Phase: phase, Delay: simclient.Duration(delay)})
			f.call(http.MethodPut, enneoPath("contract", "VN-1"), contractBody("VN-1", ""))
			entry := f.one(simclient.JournalQuery{})
			if took := time.Duration(entry.EndNS - entry.StartNS); took < delay {
				t.Errorf("the request took %s, want %s at least", took, delay)
			}
			writes, err := f.control.Writes(t.Context(), simclient.Ref{})
			if err != nil {
				t.Fatal(err)
			}
			if late := time.Duration(writes[0].AtNS-entry.StartNS) >= delay; late != (phase == simclient.Before) {
				t.Errorf("the write came %s after the arrival", time.Duration(writes[0].AtNS-entry.StartNS))
			}
		})
	}
}

func TestReadLagShowsTheOldState(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	now := time.Now()
	f := startAt(t, func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	})
	f.fault(simclient.Fault{System: simclient.Powercloud, Action: simclient.ReadLag, Delay: simclient.Duration(5 * time.Second)})
	f.change("VN-100001", 7777)
	revisions := func() [2]int64 {
		f.call(http.MethodGet, f.powercloud("getContractById", "VN-100001"), "")
		f.call(http.MethodGet, genericPath("contract", "VN-100001"), "")
		entries := f.journal(simclient.JournalQuery{Kind: key.Contract})
		return [2]int64{entries[len(entries)-2].Revision, entries[len(entries)-1].Revision}
	}
	if got := revisions(); got != [2]int64{1, 2} {
		t.Errorf("powercloud and generic show the revisions %v, want the old one only in powercloud", got)
	}
	mu.Lock()
	now = now.Add(5 * time.Second)
	mu.Unlock()
	if got := revisions(); got != [2]int64{2, 2} {
		t.Errorf("after the lag they show the revisions %v", got)
	}
}

func TestHoldKeepsRequestsUntilTheyAreReleased(t *testing.T) {
	t.Parallel()
	f := start(t)
	hold := f.fault(simclient.Fault{System: simclient.Generic, Action: simclient.Hold})
	var wait sync.WaitGroup
	for range 3 {
		wait.Go(func() {
			if got, err := f.send(f.request(http.MethodGet, genericPath("contract", "VN-100001"), "")); err != nil || got.status != 200 {
				t.Errorf("a released request is answered %d, %v", got.status, err)
			}
		})
	}
	if n, err := f.control.AwaitHeld(t.Context(), hold.ID, 3); n != 3 || err != nil {
		t.Fatalf("%d requests are held, %v", n, err)
	}
	if n := len(f.journal(simclient.JournalQuery{})); n != 0 {
		t.Errorf("%d requests are over", n)
	}
	if err := f.control.Release(t.Context(), simclient.Release{Fault: hold.ID, Requests: 2}); err != nil {
		t.Fatal(err)
	}
	if n, err := f.control.AwaitRequests(t.Context(), simclient.JournalQuery{}, 2); n != 2 || err != nil {
		t.Errorf("%d requests are over, %v; want 2", n, err)
	}
	if n, err := f.control.AwaitHeld(t.Context(), hold.ID, 1); n != 1 || err != nil {
		t.Errorf("%d requests are held, %v; want 1", n, err)
	}
	if err := f.control.Release(t.Context(), simclient.Release{}); err != nil {
		t.Fatal(err)
	}
	wait.Wait()
	if got := f.call(http.MethodGet, genericPath("contract", "VN-100001"), ""); got.status != 200 {
		t.Errorf("after the rule has ended a request is answered %d", got.status)
	}
	var refused *simclient.Error
	if err := f.control.Release(t.Context(), simclient.Release{Fault: hold.ID}); !errors.As(err, &refused) || refused.Status != http.StatusNotFound {
		t.Errorf("releasing a rule that has ended returned %v, want 404", err)
	}
}

func TestClearingFaultsLetsHeldRequestsGo(t *testing.T) {
	t.Parallel()
	f := start(t)
	for name, end := range map[string]func(simclient.Fault) error{
		"one rule":    func(h simclient.Fault) error { return f.control.ClearFault(t.Context(), h.ID) },
		"one system":  func(simclient.Fault) error { return f.control.ClearFaults(t.Context(), simclient.Generic) },
		"all of them": func(simclient.Fault) error { return f.control.ClearFaults(t.Context(), "") },
		"a reset":     func(simclient.Fault) error { return f.control.Reset(t.Context()) },
	} {
		hold := f.fault(simclient.Fault{System: simclient.Generic, Action: simclient.Hold, Phase: simclient.After})
		var wait sync.WaitGroup
		wait.Go(func() {
			if got, err := f.send(f.request(http.MethodGet, genericPath("contract", "VN-100001"), "")); err != nil || got.status != 200 {
				t.Errorf("%s: the request is answered %d, %v", name, got.status, err)
			}
		})
		if _, err := f.control.AwaitHeld(t.Context(), hold.ID, 1); err != nil {
			t.Fatal(err)
		}
		if err := end(hold); err != nil {
			t.Fatal(err)
		}
		wait.Wait()
		if faults, err := f.control.Faults(t.Context()); err != nil || len(faults) != 0 {
			t.Errorf("%s: the rules are %v, %v", name, faults, err)
		}
	}
}

func TestCloseLetsHeldRequestsGo(t *testing.T) {
	t.Parallel()
	f := start(t)
	hold := f.fault(simclient.Fault{System: simclient.Generic, Action: simclient.Hold})
	var wait sync.WaitGroup
	wait.Go(func() {
		if got, err := f.send(f.request(http.MethodGet, genericPath("contract", "VN-100001"), "")); err != nil || got.status != 200 {
			t.Errorf("the request is answered %d, %v", got.status, err)
		}
	})
	if _, err := f.control.AwaitHeld(t.Context(), hold.ID, 1); err != nil {
		t.Fatal(err)
	}
	f.simulator.Close()
	wait.Wait()
	f.simulator.Close()
}

func TestFaultsMatchWhatTheyName(t *testing.T) {
	t.Parallel()
	f := start(t)
	for name, fault := range map[string]simclient.Fault{
		"operation": {Operation: "get_contract"},
		"method":    {Method: http.MethodGet},
		"path":      {Path: genericPath("contract", "VN-100001")},
		"prefix":    {Path: "/generic/con*"},
		"kind":      {Kind: key.Contract},
		"id":        {EntityID: "VN-100001"},
	} {
		fault.System, fault.Action, fault.Status = simclient.Generic, simclient.Status, 418
		added := f.fault(fault)
		if got := f.call(http.MethodGet, genericPath("contract", "VN-100001"), ""); got.status != 418 {
			t.Errorf("%s: what fits is answered %d", name, got.status)
		}
		others := []string{lynqtechPath("contract", "VN-100001")}
		if name != "method" {
			others = append(others, genericPath("customer", "K-50001"))
		}
		for _, path := range others {
			if got := f.call(http.MethodGet, path, ""); got.status != 200 {
				t.Errorf("%s: %s is answered %d", name, path, got.status)
			}
		}
		if err := f.control.ClearFault(t.Context(), added.ID); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFaultsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.fault(simclient.Fault{ID: "mine", System: simclient.Generic, Action: simclient.Hang})
	for name, fault := range map[string]simclient.Fault{
		"no system":         {Action: simclient.Hang},
		"unknown action":    {System: simclient.Generic, Action: "explode"},
		"unknown kind":      {System: simclient.Generic, Action: simclient.Hang, Kind: "meter"},
		"unknown phase":     {System: simclient.Generic, Action: simclient.Hang, Phase: "while"},
		"no status":         {System: simclient.Generic, Action: simclient.Status},
		"wrong status":      {System: simclient.Generic, Action: simclient.Status, Status: 99},
		"no delay":          {System: simclient.Generic, Action: simclient.Delay},
		"a lag of Enneo":    {System: simclient.Enneo, Action: simclient.ReadLag, Delay: 1},
		"a lag of an hour":  {System: simclient.Generic, Action: simclient.ReadLag, Delay: simclient.Duration(time.Hour)},
		"a phase of none":   {System: simclient.Generic, Action: simclient.Truncate, Phase: simclient.After},
		"wrong probability": {System: simclient.Generic, Action: simclient.Hang, Probability: 1.5},
		"negative count":    {System: simclient.Generic, Action: simclient.Hang, Count: -1},
		"an id twice":       {ID: "mine", System: simclient.Generic, Action: simclient.Hang},
	} {
		var refused *simclient.Error
		if _, err := f.control.AddFault(t.Context(), fault); !errors.As(err, &refused) || refused.Status != http.StatusBadRequest || refused.Detail == "" {
			t.Errorf("%s: AddFault returned %v, want 400 and a reason", name, err)
		}
	}
}
