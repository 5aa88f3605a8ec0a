package enricher

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/deadletter"
	"github.com/enneo-ai/enneo-bridge/libs/gate"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/retry"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// tries is how many requests fit into a time at most if they are at least first apart, then twice as long each time, up
// to limit: the first one comes at once.
func tries(within, first, limit time.Duration) int {
	n := 1
	for pause := first; within >= pause; pause = min(2*pause, limit) {
		within -= pause
		n++
	}
	return n
}

// TestHourOfOutageCostsOneRead: an hour in which a contract changes every ten seconds, told in a few moments.
func TestHourOfOutageCostsOneRead(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		fault simclient.Fault
	}{
		{"503", simclient.Fault{Action: simclient.Status, Status: http.StatusServiceUnavailable}},
		{"no connection", simclient.Fault{Action: simclient.Reset}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			const first, limit = 100 * time.Millisecond, 800 * time.Millisecond
			w := newWorld(t)
			outage := w.fault(tc.fault)
			k := contract(w.contracts[0])
			began := time.Now()
			w.replica(func(e *enricher) { e.retries = retry.New(first, limit) })
			var p position.Position
			for range 360 {
				p = w.change(k)
				if n := w.messages(bus.StreamDue, ""); n != 1 {
					t.Fatalf("%d tickets wait during the outage, want 1", n)
				}
			}
			revision := w.revise(k)
			// Every worker has had the newest ticket since, or knows that it has to wait.
			w.awaitReads(k, len(w.reads(k))+testWorkers)
			w.must(w.sim.ClearFault(t.Context(), outage))
			took := time.Since(began)
			w.readyFor(k, p)
			w.idle()

			failed, answered := 0, 0
			for _, read := range w.reads(k) {
				if read.Status == http.StatusOK {
					answered++
				} else {
					failed++
				}
			}
			if answered != 1 {
				t.Errorf("%d reads after the outage, want 1", answered)
			}
			if most := tries(took, first, limit); failed < 1 || failed > most {
				t.Errorf("%d reads in vain within %s, want between 1 and %d", failed, took, most)
			}
			w.holds(k, p, revision)
			if n := w.messages(bus.StreamDead, ""); n != 0 {
				t.Errorf("%d dead letters, want none", n)
			}
		})
	}
}

// TestDeadERPIsProbedByOneKeyAtATime: however many keys wait.
func TestDeadERPIsProbedByOneKeyAtATime(t *testing.T) {
	t.Parallel()
	const threshold, first, limit = 3, 200 * time.Millisecond, time.Second
	w := newWorld(t)
	outage := w.fault(simclient.Fault{Action: simclient.Status, Status: http.StatusServiceUnavailable})
	began := time.Now()
	for _, id := range w.contracts {
		w.change(contract(id))
	}
	e := w.replica(func(e *enricher) { e.gate = gate.New(gate.Options{First: first, Max: limit}) })
	bustest.Eventually(t, "the ERP was probed four times", func() bool { return w.failures() >= threshold+4 })
	took := time.Since(began)
	// The faults that shut the gate, the requests of the other workers that were under way then, and one for each pause;
	// a pause is shorter than planned by half at most.
	if n, most := w.failures(), threshold+testWorkers-1+tries(took, first/2, limit/2); n > most {
		t.Errorf("%d requests within %s, want at most %d", n, took, most)
	}
	if shut, _ := e.gate.Shut(); !shut {
		t.Error("the gate is open")
	}
	w.must(w.sim.ClearFault(t.Context(), outage))
	w.idle()
	if n := w.messages(bus.StreamReady, ""); n != len(w.contracts) {
		t.Errorf("%d keys were passed on, want all %d", n, len(w.contracts))
	}
}

// failures are the requests to the ERP that were answered with 503.
func (w *world) failures() int {
	w.t.Helper()
	summary, err := w.sim.Summary(w.t.Context())
	w.must(err)
	return int(summary.Systems[simclient.Generic].Operations["get_contract"].ByStatus[http.StatusServiceUnavailable])
}

// TestRetryAfterHoldsBackTheWholeERP: that holds for a worker too that pulled while the gate was open.
func TestRetryAfterHoldsBackTheWholeERP(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	limited, other := contract(w.contracts[0]), contract(w.contracts[1])
	w.fault(simclient.Fault{Action: simclient.Status, Status: http.StatusTooManyRequests, RetryAfter: "1", EntityID: limited.ID, Count: 1})
	e := w.replica(nil)
	w.change(limited)
	bustest.Eventually(t, "the gate has shut", func() bool { _, pressed := e.gate.Pressed(); return pressed })
	w.change(other)
	w.idle()
	end := w.reads(limited)[0].EndNS
	for _, read := range append(w.reads(limited)[1:], w.reads(other)...) {
		if pause := time.Duration(read.StartNS - end); pause < time.Second {
			t.Errorf("a read began %s after the answer that asked for 1s", pause)
		}
	}
	w.count(limited, 2)
	w.count(other, 1)
}

// TestRetryPauseLiesOutsideTheTicket: a newer ticket replaces one that waits, and is not tried before its time.
func TestRetryPauseLiesOutsideTheTicket(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := contract(w.contracts[0])
	w.fault(simclient.Fault{Action: simclient.WrongID, EntityID: k.ID, Count: 1})
	e := w.replica(func(e *enricher) { e.retries = retry.New(time.Second, time.Second) })
	p := w.change(k)
	bustest.Eventually(t, "the failure is remembered", func() bool { return e.retries.Attempts(k) == 1 })
	for range 10 {
		p = w.change(k)
	}
	w.readyFor(k, p)
	w.count(k, 2)
	reads := w.reads(k)
	if len(reads) < 2 {
		t.FailNow()
	}
	if pause := time.Duration(reads[1].StartNS - reads[0].EndNS); pause < time.Second {
		t.Errorf("the second read began %s after the first one, want not before the pause of 1s is over", pause)
	}
}

func TestAnotherKeysAnswerIsNeverStored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := contract(w.contracts[0])
	wrong := w.fault(simclient.Fault{Action: simclient.WrongID, EntityID: k.ID})
	// Slow enough for the fault to end before the attempts do.
	w.replica(func(e *enricher) { e.retries = retry.New(200*time.Millisecond, time.Second) })
	p := w.change(k)
	w.awaitReads(k, 2)
	if s := w.snapshot(k); s.GetBody() != "" || s.GetCovers() != nil {
		t.Errorf("stored of another key: covers %v", s.GetCovers())
	}
	if w.ready(k) != nil {
		t.Error("another key's answer was passed on")
	}
	w.must(w.sim.ClearFault(t.Context(), wrong))
	w.readyFor(k, p)
	w.holds(k, p, 1)
	if !strings.Contains(w.snapshot(k).GetBody(), `"id":"`+k.ID+`"`) {
		t.Error("the body is that of another contract")
	}
	if n := w.messages(bus.StreamDead, ""); n != 0 {
		t.Errorf("%d dead letters, want none", n)
	}
}

func TestContractThatCannotBeMappedBecomesADeadLetter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.replica(nil)
	k := contract(w.contracts[0])
	found, err := w.sim.Contract(t.Context(), k.ID)
	w.must(err)
	found.Override = map[string]json.RawMessage{"customerId": json.RawMessage(`""`)}
	_, err = w.sim.PutContract(t.Context(), found)
	w.must(err)
	p := w.change(k)
	w.assure(e, k)
	var s *bridgev1.Settlement
	bustest.Eventually(t, "the key is settled", func() bool {
		entry, err := w.ledger.Get(t.Context(), k.String())
		w.must(err)
		s = entry.Value
		return ledger.Settles(s, p)
	})
	if s.GetOutcome() != bridgev1.Outcome_OUTCOME_DEAD_LETTER || s.GetReason() != "unmappable" || s.GetContentHash() != "" {
		t.Errorf("settled as %v, reason %q; want a dead letter that is unmappable", s.GetOutcome(), s.GetReason())
	}
	letter, err := w.dead.Get(t.Context(), deadletter.StageEnrich, k)
	w.must(err)
	want := &bridgev1.DeadLetter{
		Stage: deadletter.StageEnrich, Source: testSource, Key: &bridgev1.Key{Source: testSource, Kind: "contract", Id: k.ID},
		Position: p.Proto(), Reason: "unmappable", Field: "contract.customerId", Status: http.StatusOK,
	}
	if diff := cmp.Diff(want, letter, protocmp.Transform(), protocmp.IgnoreFields(want, "message", "answer", "attempts", "first_at", "last_at", "profile")); diff != "" {
		t.Errorf("dead letter differs (-want +got):\n%s", diff)
	}
	for _, personal := range []string{string(found.Lastname), string(found.Company), found.IBAN} {
		if personal != "" && strings.Contains(letter.String(), personal) {
			t.Errorf("the dead letter holds %q", personal)
		}
	}
	if letter.GetAttempts() < 2 {
		t.Errorf("a dead letter after %d attempts; the first refusal has no witness yet", letter.GetAttempts())
	}
	w.idle()
	if w.snapshot(k).GetBody() != "" || w.ready(k) != nil {
		t.Error("what cannot be mapped was stored or passed on")
	}
	balance, err := w.ledger.Audit(t.Context(), p.Epoch)
	w.must(err)
	if balance.ByOutcome["dead_letter"] != 1 || balance.Settled != 1 || balance.Open != balance.Accepted-1 {
		t.Errorf("balance %+v, want one event as a dead letter", balance)
	}
}

// TestDeadLetterIsStoredBeforeItsKeyIsSettled: as long as the letter cannot be stored, the key stays open.
func TestDeadLetterIsStoredBeforeItsKeyIsSettled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := contract(w.contracts[0])
	w.fault(simclient.Fault{Action: simclient.Status, Status: http.StatusUnprocessableEntity, EntityID: k.ID})
	e := w.replica(nil)
	w.must(w.bus.JetStream().DeleteStream(t.Context(), bus.StreamDead))
	p := w.change(k)
	w.assure(e, k)
	w.awaitReads(k, len(w.reads(k))+2)
	entry, err := w.ledger.Get(t.Context(), k.String())
	w.must(err)
	if entry.Revision != 0 {
		t.Errorf("settled as %v without a dead letter", entry.Value.GetOutcome())
	}
	w.must(w.bus.Ensure(t.Context(), []string{testSource}))
	w.idle()
	entry, err = w.ledger.Get(t.Context(), k.String())
	w.must(err)
	if !ledger.Settles(entry.Value, p) || w.messages(bus.StreamDead, "") != 1 {
		t.Errorf("settled as %v with %d dead letters, want one", entry.Value.GetOutcome(), w.messages(bus.StreamDead, ""))
	}
}

// TestOnlyFaultsOfTheKeyItselfMakeItADeadLetter: the failures of an outage do not count, those of the key do.
func TestOnlyFaultsOfTheKeyItselfMakeItADeadLetter(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		wrong int // faults of the key after the outage; 0: without end
		dead  bool
	}{
		{"it recovers in time", maxKeyAttempts - 1, false},
		{"it does not recover", 0, true},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			k := contract(w.contracts[0])
			w.fault(simclient.Fault{Action: simclient.Status, Status: http.StatusServiceUnavailable, Count: 2 * maxKeyAttempts})
			w.fault(simclient.Fault{Action: simclient.WrongID, EntityID: k.ID, Count: tc.wrong})
			e := w.replica(nil)
			p := w.change(k)
			if tc.dead {
				// Only who is asked for after the first refusal testifies against the key; in the outage there was none yet.
				bustest.Eventually(t, "the key itself was refused", func() bool { return e.refusals.Attempts(k) > 0 })
			}
			w.assure(e, k)
			w.idle()
			if letters := w.messages(bus.StreamDead, "") == 1; letters != tc.dead {
				t.Errorf("dead letter %t, want %t", letters, tc.dead)
			}
			if passed := w.ready(k) != nil; passed == tc.dead {
				t.Errorf("passed on %t, want %t", passed, !tc.dead)
			}
			if !tc.dead {
				w.holds(k, p, 1)
			}
			bustest.Eventually(t, "the failures are forgotten", func() bool {
				return e.retries.Attempts(k) == 0 && e.refusals.Attempts(k) == 0
			})
		})
	}
}

// TestRefusedKeysDieOnceOthersAreRead: as long as the ERP refuses all that it is asked for, that is not believed.
func TestRefusedKeysDieOnceOthersAreRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.replica(nil)
	refused := w.contracts[:6]
	for _, id := range refused {
		w.fault(simclient.Fault{Action: simclient.Status, Status: http.StatusUnprocessableEntity, EntityID: id})
		w.change(contract(id))
	}
	bustest.Eventually(t, "the gate is shut", func() bool { shut, _ := e.gate.Shut(); return shut })
	for _, id := range refused {
		bustest.Eventually(t, "the key was refused", func() bool { return e.retries.Attempts(contract(id)) > 0 })
	}
	if n := w.messages(bus.StreamDead, ""); n != 0 {
		t.Errorf("%d dead letters although the erp refuses everything, want none", n)
	}
	w.assure(e, contract(refused[0]))
	w.idle()
	if n := w.messages(bus.StreamDead, ""); n != len(refused) {
		t.Errorf("%d dead letters, want %d", n, len(refused))
	}
	if shut, _ := e.gate.Shut(); shut {
		t.Error("the gate is shut although the ERP answers")
	}
}

// TestKeysThatFailDoNotTakeEveryProbe: the server hands out again first what has waited out its pause. Keys whose pauses are shorter
// than the gate's would be all that is ever tried, and the gate would stay shut to the others for as long as they fail.
func TestKeysThatFailDoNotTakeEveryProbe(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{"refused": http.StatusUnprocessableEntity, "down for them": http.StatusServiceUnavailable} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			e := w.replica(func(e *enricher) {
				e.gate = gate.New(gate.Options{First: 100 * time.Millisecond, Max: 100 * time.Millisecond})
				e.retries = retry.New(time.Millisecond, time.Millisecond)
			})
			failing := w.contracts[:6]
			for _, id := range failing {
				w.fault(simclient.Fault{Action: simclient.Status, Status: status, EntityID: id})
				w.change(contract(id))
			}
			for _, id := range failing {
				bustest.Eventually(t, "the key has failed", func() bool { return e.retries.Attempts(contract(id)) > 0 })
			}
			for _, id := range w.contracts[6:12] {
				healthy := contract(id)
				w.readyFor(healthy, w.change(healthy))
				w.count(healthy, 1)
			}
		})
	}
}
