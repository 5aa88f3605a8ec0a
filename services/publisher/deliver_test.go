package publisher

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/libs/ticket"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// checkOutcome fails unless the record settles p with the outcome and nothing is owed.
func checkOutcome(t *testing.T, s *bridgev1.Settlement, p position.Position, want bridgev1.Outcome) {
	t.Helper()
	if s.GetOutcome() != want || position.FromProto(s.GetCovered()) != p {
		t.Errorf("settled %v as %v, want %v as %v", position.FromProto(s.GetCovered()), s.GetOutcome(), p, want)
	}
	if s.GetIntent() != nil || s.GetRedeliver() || s.GetAttempts() != 0 || s.GetSettledAt() == nil || s.GetCoveredLogTime() == nil {
		t.Errorf("the record is not closed: %v", s)
	}
}

func TestKeyIsCreatedUpdatedAndDeleted(t *testing.T) {
	t.Parallel()
	for _, kind := range []key.Kind{key.Contract, key.Customer} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.replica(nil)
			k := key.Key{Source: testSource, Kind: kind, ID: "a/b ü"}

			steps := []struct {
				revision int
				outcome  bridgev1.Outcome
			}{
				{1, bridgev1.Outcome_OUTCOME_DELIVERED}, {2, bridgev1.Outcome_OUTCOME_DELIVERED}, {0, bridgev1.Outcome_OUTCOME_DELETED},
			}
			for i, step := range steps {
				p := w.change(k, step.revision)
				s := w.settled(k, p)
				checkOutcome(t, s, p, step.outcome)
				if s.GetContentHash() == "" {
					t.Error("Enneo's content is not known after a success")
				}
				w.enneoHas(k, step.revision)
				if got := len(w.requests(k)); got != i+1 {
					t.Errorf("%d requests, want %d", got, i+1)
				}
				text, err := protojson.Marshal(s)
				if err != nil || strings.Contains(string(text), "Musterfrau") {
					t.Errorf("the record holds data of the customer: %s, %v", text, err)
				}
			}

			// That it is gone is told again.
			p := w.change(k, 0)
			checkOutcome(t, w.settled(k, p), p, bridgev1.Outcome_OUTCOME_DELETED)
			// And it comes back.
			back := w.change(k, 3)
			checkOutcome(t, w.settled(k, back), back, bridgev1.Outcome_OUTCOME_DELIVERED)
			var methods []string
			for _, e := range w.requests(k) {
				methods = append(methods, e.Method)
			}
			if got, want := strings.Join(methods, " "), "PUT PUT DELETE PUT"; got != want {
				t.Errorf("requests %s, want %s", got, want)
			}
			w.orderly()
			w.balanced(map[string]uint64{"delivered": 5})
		})
	}
}

func TestDeleteOfWhatEnneoDoesNotHaveIsASuccess(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fault(simclient.Fault{Action: simclient.Status, Status: http.StatusNotFound, Body: `{"code":"contract_not_found"}`})
	w.replica(nil)
	k := contract("VN-1")
	p := w.change(k, 0)
	checkOutcome(t, w.settled(k, p), p, bridgev1.Outcome_OUTCOME_DELETED)
	if got := len(w.requests(k)); got != 1 {
		t.Errorf("%d requests, want 1", got)
	}
}

func TestUnchangedContentIsNotSentAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.replica(nil)
	k := contract("VN-1")
	w.settled(k, w.change(k, 1))
	p := w.change(k, 1)
	checkOutcome(t, w.settled(k, p), p, bridgev1.Outcome_OUTCOME_UNCHANGED)
	if got := len(w.requests(k)); got != 1 {
		t.Errorf("%d requests for the same content, want 1", got)
	}

	// Another profile may map the same answer to another meaning.
	p = w.read(k, 1)
	_, err := w.snapshots.Change(t.Context(), k.String(), func(s *bridgev1.Snapshot) error {
		s.Profile = "test/2"
		return nil
	})
	w.must(err)
	w.tell(k, p)
	checkOutcome(t, w.settled(k, p), p, bridgev1.Outcome_OUTCOME_DELIVERED)
	if got := len(w.requests(k)); got != 2 {
		t.Errorf("%d requests after a change of the profile, want 2", got)
	}
	w.balanced(nil)
}

// TestContentIsNotKnownAfterAFailedRequest: Enneo takes the second state and answers with an error, and the third
// state equals the first one. What Enneo was known to have before is no reason to skip it.
func TestContentIsNotKnownAfterAFailedRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.replica(func(d *deliverer) { d.target = w.target(time.Minute) })
	k := contract("VN-1")
	w.settled(k, w.change(k, 1))
	hold := w.fault(simclient.Fault{Action: simclient.Hold, Phase: simclient.After, Count: 1})
	w.fault(simclient.Fault{Action: simclient.Status, Phase: simclient.After, Status: http.StatusInternalServerError, Count: 1})
	w.change(k, 2)
	w.awaitHeld(hold, 1)
	p := w.change(k, 1)
	w.must(w.sim.Release(t.Context(), simclient.Release{Fault: hold}))
	checkOutcome(t, w.settled(k, p), p, bridgev1.Outcome_OUTCOME_DELIVERED)
	w.enneoHas(k, 1)
}

func TestRepeatedTicketCausesNoRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.replica(nil)
	w.replica(nil)
	k := contract("VN-1")
	p := w.change(k, 1)
	w.settled(k, p)
	for range 5 {
		w.tell(k, p)
		w.idle()
	}
	if got := len(w.requests(k)); got != 1 {
		t.Errorf("%d requests, want 1", got)
	}
}

func TestTicketThatCannotBeReadWorksByItsSubject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := contract("VN-1")
	p := w.read(k, 1)
	_, err := w.bus.Publish(t.Context(), &nats.Msg{Subject: bus.StagePublish.Subject(k), Data: []byte("\x00{")})
	w.must(err)
	// One whose subject is no key is dropped and does not come back.
	_, err = w.bus.Publish(t.Context(), &nats.Msg{Subject: "contract.ready." + testSource + ".contract.=zz"})
	w.must(err)
	w.replica(nil)
	checkOutcome(t, w.settled(k, p), p, bridgev1.Outcome_OUTCOME_DELIVERED)
	w.idle()
}

// TestTicketWithoutItsSnapshotGoesBack: a bucket that was lost or set back is filled again by another read.
func TestTicketWithoutItsSnapshotGoesBack(t *testing.T) {
	t.Parallel()
	unconfirmed := &bridgev1.Snapshot{GoneSince: timestamppb.Now()}
	tests := []struct {
		name     string
		snapshot *bridgev1.Snapshot
		position position.Position
	}{
		{name: "there is none", position: position.Position{Epoch: 7, Sequence: 9}},
		{name: "it covers less than the ticket", snapshot: &bridgev1.Snapshot{Covers: position.Position{Epoch: 7, Sequence: 8}.Proto(), Body: `{}`}, position: position.Position{Epoch: 7, Sequence: 9}},
		{name: "it is of an older log", snapshot: &bridgev1.Snapshot{Covers: position.Position{Epoch: 6, Sequence: 99}.Proto(), Body: `{}`}, position: position.Position{Epoch: 7, Sequence: 9}},
		{name: "it only notes a first look that found nothing", snapshot: unconfirmed, position: position.Position{Epoch: 7, Sequence: 9}},
		{name: "the same, and the ticket names no position", snapshot: unconfirmed},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			k := contract("VN-1")
			if tc.snapshot != nil {
				_, err := w.snapshots.Put(t.Context(), k.String(), tc.snapshot, 0)
				w.must(err)
			}
			w.tell(k, tc.position)
			w.replica(nil)
			w.idle()
			due, err := w.bus.JetStream().Stream(t.Context(), bus.StreamDue)
			w.must(err)
			msg, err := due.GetLastMsgForSubject(t.Context(), bus.StageEnrich.Subject(k))
			w.must(err)
			got, err := ticket.Decode(bus.StageEnrich, msg.Subject, msg.Header, msg.Data)
			w.must(err)
			if got.Position != tc.position {
				t.Errorf("the enricher is told of %v, want %v", got.Position, tc.position)
			}
			if n := len(w.requests(k)); n != 0 {
				t.Errorf("%d requests to Enneo, want none", n)
			}
		})
	}
}

// TestRequestWithoutAnOutcomeIsRepeated: Enneo has done what was asked, and nobody here knows it. The content is the
// same, and yet it is sent again: not before the first request can have ended.
func TestRequestWithoutAnOutcomeIsRepeated(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		fault simclient.Fault
	}{
		{"connection lost after the processing", simclient.Fault{Action: simclient.Reset, Phase: simclient.After}},
		{"answer cut off", simclient.Fault{Action: simclient.Truncate}},
		{"502 after the processing", simclient.Fault{Action: simclient.Status, Phase: simclient.After, Status: http.StatusBadGateway}},
		{"504 after the processing", simclient.Fault{Action: simclient.Status, Phase: simclient.After, Status: http.StatusGatewayTimeout}},
		{"answer too late", simclient.Fault{Action: simclient.Delay, Phase: simclient.After, Delay: simclient.Duration(testTimeout * 3 / 2)}},
		{"processing beyond the timeout", simclient.Fault{Action: simclient.Delay, Phase: simclient.Before, Delay: simclient.Duration(testTimeout * 3 / 2)}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			tc.fault.Count = 1
			w.fault(tc.fault)
			w.replica(nil)
			w.replica(nil)
			k := contract("VN-1")
			p := w.change(k, 1)
			checkOutcome(t, w.settled(k, p), p, bridgev1.Outcome_OUTCOME_DELIVERED)
			entries := w.requests(k)
			if len(entries) != 2 {
				t.Fatalf("%d requests, want the one without an outcome and its repetition", len(entries))
			}
			// The first request began within the margin of its lease, so this much is left of lease and timeout.
			if between := time.Duration(entries[1].StartNS - entries[0].StartNS); between < 2*testTimeout {
				t.Errorf("the repetition began %s after the first request, want at least %s", between, 2*testTimeout)
			}
			writes, err := w.sim.Writes(t.Context(), ref(k))
			w.must(err)
			if len(writes) != 2 {
				t.Errorf("%d writes in Enneo, want that of the lost request and that of its repetition", len(writes))
			}
			w.orderly()
			w.balanced(map[string]uint64{"delivered": 1})
		})
	}
}

func TestTwoReplicasNeverSendForOneKeyAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// Long enough for the request to be held until the other replica has had the key several times.
	patient := func(d *deliverer) { d.target = w.target(time.Minute) }
	w.replica(patient)
	w.replica(patient)
	k := contract("VN-1")
	hold := w.fault(simclient.Fault{Action: simclient.Hold, Count: 1})
	w.change(k, 1)
	w.awaitHeld(hold, 1)

	w.change(k, 2)
	newest := w.change(k, 3)
	told := w.deliveries()
	bustest.Eventually(t, "the other replica has had the ticket three times", func() bool { return w.deliveries() >= told+3 })
	if n := len(w.requests(k)); n != 0 {
		t.Errorf("%d requests have ended while the first one is held, want none", n)
	}
	state, err := w.sim.Faults(t.Context())
	w.must(err)
	if state[0].Held != 1 {
		t.Errorf("%d requests are at Enneo, want only the one that is held", state[0].Held)
	}

	w.must(w.sim.Release(t.Context(), simclient.Release{Fault: hold}))
	checkOutcome(t, w.settled(k, newest), newest, bridgev1.Outcome_OUTCOME_DELIVERED)
	w.idle()
	var revisions []int64
	for _, e := range w.requests(k) {
		revisions = append(revisions, e.Revision)
	}
	if len(revisions) != 2 || revisions[0] != 1 || revisions[1] != 3 {
		t.Errorf("requests with the revisions %v, want the held one and the newest: [1 3]", revisions)
	}
	w.orderly()
	w.balanced(map[string]uint64{"delivered": 3})
}
