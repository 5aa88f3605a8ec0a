package publisher

import (
	"bytes"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/deadletter"
	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/gate"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/retry"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// stored tells whether any file of the stream's store holds the text.
func (w *world) stored(stream, text string) bool {
	w.t.Helper()
	found := false
	root := filepath.Join(w.nats.Dir, "jetstream")
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // The server replaces files while we look.
		}
		if err != nil || entry.IsDir() || filepath.Base(filepath.Dir(filepath.Dir(path))) != stream {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		found = found || bytes.Contains(content, []byte(text))
		return nil
	})
	w.must(err)
	return found
}

// TestKeyThatEnneoRefusesBecomesADeadLetter: the others go on, and a later success takes the letter away, bytes and all.
func TestKeyThatEnneoRefusesBecomesADeadLetter(t *testing.T) {
	t.Parallel()
	const marker = "telltaleField"
	for _, status := range []int{http.StatusOK, http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			d := w.replica(nil)
			k := contract("VN-1")
			refusal := w.fault(simclient.Fault{
				Action: simclient.Status, Status: status, EntityID: k.ID,
				Body: `{"success":false,"` + marker + `":"Musterfrau"}`,
			})
			p := w.change(k, 1)
			w.assure(d, k, 1)
			s := w.settled(k, p)
			checkOutcome(t, s, p, bridgev1.Outcome_OUTCOME_DEAD_LETTER)
			if s.GetReason() != "refused" || s.GetContentHash() != "" {
				t.Errorf("reason %q, hash %q; want refused and none", s.GetReason(), s.GetContentHash())
			}
			letter, err := w.dead.Get(t.Context(), deadletter.StagePublish, k)
			w.must(err)
			want := &bridgev1.DeadLetter{
				Profile: "test/1",
				Stage:   deadletter.StagePublish, Source: testSource, Key: &bridgev1.Key{Source: testSource, Kind: "contract", Id: k.ID},
				Position: p.Proto(), Reason: "refused", Status: uint32(status),
				Answer: "JSON object with the fields success, " + marker,
			}
			if diff := cmp.Diff(want, letter, protocmp.Transform(), protocmp.IgnoreFields(want, "message", "first_at", "last_at", "attempts")); diff != "" {
				t.Errorf("dead letter differs (-want +got):\n%s", diff)
			}
			if got := len(w.requests(k)); got < 2 || uint32(got) != letter.GetAttempts() {
				t.Errorf("%d requests, %d attempts; want those until another key was delivered, and one more", got, letter.GetAttempts())
			}
			w.balanced(map[string]uint64{"dead_letter": 1, "delivered": 1})
			bustest.Eventually(t, "the letter is on the disk", func() bool { return w.stored(bus.StreamDead, marker) })

			w.must(w.sim.ClearFault(t.Context(), refusal))
			p = w.change(k, 2)
			checkOutcome(t, w.settled(k, p), p, bridgev1.Outcome_OUTCOME_DELIVERED)
			if n := w.messages(bus.StreamDead); n != 0 {
				t.Errorf("%d dead letters after the success, want none", n)
			}
			bustest.Eventually(t, "the letter is off the disk", func() bool { return !w.stored(bus.StreamDead, marker) })
			w.balanced(map[string]uint64{"delivered": 3})
		})
	}
}

// TestAnEnneoThatRefusesEverythingMakesNoDeadLetter: it says "no success" to every key, and takes all of them later.
func TestAnEnneoThatRefusesEverythingMakesNoDeadLetter(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusOK, http.StatusBadRequest} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			refusal := w.fault(simclient.Fault{Action: simclient.Status, Status: status, Body: `{"success":false}`})
			w.replica(nil)
			last := map[key.Key]position.Position{}
			for i := range 5 {
				k := contract("VN-" + strconv.Itoa(i))
				last[k] = w.change(k, 1)
			}
			w.awaitRequests(20)
			if n := w.messages(bus.StreamDead); n != 0 {
				t.Errorf("%d dead letters, want none while no key is taken", n)
			}
			w.must(w.sim.ClearFault(t.Context(), refusal))
			for k, p := range last {
				checkOutcome(t, w.settled(k, p), p, bridgev1.Outcome_OUTCOME_DELIVERED)
			}
			w.balanced(map[string]uint64{"delivered": 5})
		})
	}
}

// TestDeadLetterIsStoredBeforeItsKeyIsSettled: as long as the letter cannot be stored, the key stays open.
func TestDeadLetterIsStoredBeforeItsKeyIsSettled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := contract("VN-1")
	w.fault(simclient.Fault{Action: simclient.Status, Status: http.StatusUnprocessableEntity, EntityID: k.ID})
	d := w.replica(nil)
	w.must(w.bus.JetStream().DeleteStream(t.Context(), bus.StreamDead))
	p := w.change(k, 1)
	w.assure(d, k, 1)
	w.awaitRequests(len(w.requests(k)) + 3)
	if s := w.settlement(k); s.GetOutcome() != bridgev1.Outcome_OUTCOME_UNSPECIFIED {
		t.Errorf("settled as %v without a dead letter", s.GetOutcome())
	}
	w.must(w.bus.Ensure(t.Context(), []string{testSource}))
	checkOutcome(t, w.settled(k, p), p, bridgev1.Outcome_OUTCOME_DEAD_LETTER)
	letter, err := w.dead.Get(t.Context(), deadletter.StagePublish, k)
	w.must(err)
	if letter.GetPosition().GetSequence() != p.Sequence || letter.GetAttempts() < 2 {
		t.Errorf("dead letter %v, want one for %v after several attempts", letter, p)
	}
}

// TestLetterOfAnInterruptedTurnIsCleared: whoever died between a dead letter and its settlement leaves a letter behind
// that no record tells of.
func TestLetterOfAnInterruptedTurnIsCleared(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := contract("VN-1")
	p := w.read(k, 1)
	w.must(w.dead.PutKey(t.Context(), deadletter.StagePublish, k, p, 1, &fault.Fault{Permanent: true, Reason: "refused"}, ""))
	_, err := w.ledger.Put(t.Context(), k.String(), &bridgev1.Settlement{
		Intent: &bridgev1.Intent{Token: "of a process that died", Position: p.Proto()}, Attempts: 1,
	}, 0)
	w.must(err)
	w.replica(nil)
	w.tell(k, p)
	checkOutcome(t, w.settled(k, p), p, bridgev1.Outcome_OUTCOME_DELIVERED)
	if n := w.messages(bus.StreamDead); n != 0 {
		t.Errorf("%d dead letters after the success, want none", n)
	}
}

// TestTroubleWithAllOfEnneoKeepsEverything: nothing becomes a dead letter, nothing is settled, the gate shuts; and when
// it is over, everything goes on by itself.
func TestTroubleWithAllOfEnneoKeepsEverything(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		fault simclient.Fault
	}{
		{"401", simclient.Fault{Action: simclient.Status, Status: http.StatusUnauthorized}},
		{"403", simclient.Fault{Action: simclient.Status, Status: http.StatusForbidden}},
		{"404 of a wrong route", simclient.Fault{Action: simclient.Status, Status: http.StatusNotFound, Body: `{"code":"not_found"}`}},
		{"405", simclient.Fault{Action: simclient.Status, Status: http.StatusMethodNotAllowed}},
		{"423", simclient.Fault{Action: simclient.Status, Status: http.StatusLocked}},
		{"429 without a time", simclient.Fault{Action: simclient.Status, Status: http.StatusTooManyRequests}},
		{"500", simclient.Fault{Action: simclient.Status, Status: http.StatusInternalServerError}},
		{"503", simclient.Fault{Action: simclient.Status, Status: http.StatusServiceUnavailable}},
		{"a web page", simclient.Fault{Action: simclient.HTML, Status: http.StatusOK}},
		{"a connection that is reset", simclient.Fault{Action: simclient.Reset}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			trouble := w.fault(tc.fault)
			d := w.replica(nil)
			for i := range 5 {
				w.change(contract("VN-"+strconv.Itoa(i)), 1)
			}
			bustest.Eventually(t, "the gate shuts", func() bool { shut, _ := d.gate.Shut(); return shut })
			w.awaitRequests(6)
			for i := range 5 {
				if s := w.settlement(contract("VN-" + strconv.Itoa(i))); s.GetOutcome() != bridgev1.Outcome_OUTCOME_UNSPECIFIED {
					t.Errorf("settled as %v after requests in vain", s.GetOutcome())
				}
			}
			if n := w.messages(bus.StreamDead); n != 0 {
				t.Errorf("%d dead letters, want none", n)
			}
			if n := w.messages(bus.StreamReady); n != 5 {
				t.Errorf("%d tickets wait, want 5", n)
			}

			w.must(w.sim.ClearFault(t.Context(), trouble))
			w.idle()
			for i := range 5 {
				w.enneoHas(contract("VN-"+strconv.Itoa(i)), 1)
			}
			if n := w.messages(bus.StreamDead); n != 0 {
				t.Errorf("%d dead letters, want none", n)
			}
			w.orderly()
			w.balanced(map[string]uint64{"delivered": 5})
		})
	}
}

func TestRetryAfterHoldsBackTheWholeAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	limited, other := contract("VN-1"), contract("VN-2")
	w.fault(simclient.Fault{Action: simclient.Status, Status: http.StatusTooManyRequests, RetryAfter: "1", EntityID: limited.ID, Count: 1})
	d := w.replica(nil)
	w.change(limited, 1)
	bustest.Eventually(t, "the gate has shut", func() bool { _, pressed := d.gate.Pressed(); return pressed })
	w.change(other, 1)
	w.idle()
	end := w.requests(limited)[0].EndNS
	for _, e := range append(w.requests(limited)[1:], w.requests(other)...) {
		// That holds for workers too that were waiting for a ticket already when the gate shut.
		if pause := time.Duration(e.StartNS - end); pause < time.Second {
			t.Errorf("a request began %s after the answer that asked for 1s", pause)
		}
	}
	w.balanced(map[string]uint64{"delivered": 2})
}

// TestRetryPauseLiesOutsideTheTicket: a newer ticket replaces one that waits, and is not tried before its time.
func TestRetryPauseLiesOutsideTheTicket(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := contract("VN-1")
	began := time.Now()
	d := w.replica(func(d *deliverer) { d.retries.Failed(k, time.Second) })
	p := w.change(k, 1)
	for range 10 {
		p = w.change(k, 1)
	}
	w.settled(k, p)
	if took := time.Since(began); took < time.Second {
		t.Errorf("delivered after %s, want not before the pause of 1s is over", took)
	}
	if n := len(w.requests(k)); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
	w.idle()
	if n := d.retries.Attempts(k); n != 0 {
		t.Errorf("%d failures are remembered after the success", n)
	}
}

func TestSecondRefusalKeepsTheTimeOfTheFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := contract("VN-1")
	w.fault(simclient.Fault{Action: simclient.Status, Status: http.StatusUnprocessableEntity, EntityID: k.ID})
	d := w.replica(nil)
	p := w.change(k, 1)
	w.assure(d, k, 1)
	w.settled(k, p)
	first, err := w.dead.Get(t.Context(), deadletter.StagePublish, k)
	w.must(err)
	p = w.change(k, 2)
	w.assure(d, k, 2)
	w.settled(k, p)
	second, err := w.dead.Get(t.Context(), deadletter.StagePublish, k)
	w.must(err)
	if second.GetPosition().GetSequence() != p.Sequence {
		t.Errorf("the letter speaks of %v, want %v", second.GetPosition(), p)
	}
	if diff := cmp.Diff(first.GetFirstAt(), second.GetFirstAt(), protocmp.Transform()); diff != "" || first.GetFirstAt() == nil {
		t.Errorf("time of the first refusal differs (-first +second):\n%s", diff)
	}
	if n := w.messages(bus.StreamDead); n != 1 {
		t.Errorf("%d dead letters of one key, want the newest", n)
	}
}

// TestKeysThatFailDoNotTakeEveryProbe: as the enricher's test of that name.
func TestKeysThatFailDoNotTakeEveryProbe(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{"refused": http.StatusUnprocessableEntity, "down for them": http.StatusServiceUnavailable} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			d := w.replica(func(d *deliverer) {
				d.gate = gate.New(gate.Options{First: 100 * time.Millisecond, Max: 100 * time.Millisecond})
				d.retries = retry.New(time.Millisecond, time.Millisecond)
			})
			for i := range 6 {
				k := contract("VN-1" + strconv.Itoa(i))
				w.fault(simclient.Fault{Action: simclient.Status, Status: status, EntityID: k.ID})
				w.change(k, 1)
			}
			for i := range 6 {
				bustest.Eventually(t, "the key has failed", func() bool { return d.retries.Attempts(contract("VN-1"+strconv.Itoa(i))) > 0 })
			}
			for i := range 6 {
				healthy := contract("VN-2" + strconv.Itoa(i))
				p := w.change(healthy, 1)
				checkOutcome(t, w.settled(healthy, p), p, bridgev1.Outcome_OUTCOME_DELIVERED)
			}
		})
	}
}
