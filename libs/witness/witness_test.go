package witness_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/witness"
)

func contract(n int) key.Key {
	return key.Key{Source: "erp", Kind: key.Contract, ID: fmt.Sprint(n)}
}

// scene is a witness with a clock of its own.
type scene struct {
	*witness.Witness

	t   *testing.T
	now time.Time
}

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{t: t, now: time.Unix(1_800_000_000, 0)}
	s.Witness = witness.New(func() time.Time { return s.now })
	return s
}

func (s *scene) pass(d time.Duration) { s.now = s.now.Add(d) }

// refuse refuses a key for good, and checks how that counts.
func (s *scene) refuse(n int, permanent bool, scope fault.Scope) {
	s.t.Helper()
	f := s.Judge(contract(n), &fault.Fault{Scope: fault.Key, Permanent: true, Reason: "refused", Status: 422}, s.now)
	if f.Permanent != permanent || f.Scope != scope || f.Reason != "refused" {
		s.t.Errorf("the refusal of %d counts as permanent %t, scope %v, reason %q; want %t, %v", n, f.Permanent, f.Scope, f.Reason, permanent, scope)
	}
	if believed := s.Believed(contract(n)); believed != permanent {
		s.t.Errorf("believed %t, want %t", believed, permanent)
	}
}

func (s *scene) answer(n int) {
	s.t.Helper()
	if f := s.Judge(contract(n), nil, s.now); f != nil {
		s.t.Errorf("a success counts as %v", f)
	}
}

func TestARefusalCountsOnceAnotherKeyWasAnswered(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.answer(2)
	s.pass(time.Second)
	s.refuse(1, false, fault.Key)
	s.pass(time.Second)
	s.refuse(1, false, fault.Key)
	s.answer(2)
	s.refuse(1, true, fault.Key)
}

func TestARequestThatBeganBeforeTheRefusalTestifiesNothing(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	began := s.now
	s.pass(time.Second)
	s.refuse(1, false, fault.Key)
	s.pass(time.Second)
	_ = s.Judge(contract(2), nil, began)
	s.refuse(1, false, fault.Key)
}

func TestAKeyIsNoWitnessAgainstItself(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.refuse(1, false, fault.Key)
	s.pass(time.Second)
	s.answer(1)
	s.pass(time.Second)
	s.refuse(1, false, fault.Key)
}

func TestWhoRefusesEverythingIsAtFaultAsAWhole(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.refuse(1, false, fault.Key)
	s.refuse(2, false, fault.Key)
	s.refuse(3, false, fault.Target)
	s.pass(48 * time.Hour) // A weekend: nothing dies, however long it takes.
	s.refuse(1, false, fault.Target)
	s.answer(3)
	s.refuse(1, true, fault.Key)
	s.refuse(4, false, fault.Key)
}

func TestAFaultOfTheWholeSystemIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	outage := &fault.Fault{Scope: fault.Target, Reason: "unavailable"}
	for n := range 5 {
		if f := s.Judge(contract(n), outage, s.now); f != outage {
			t.Errorf("it counts as %v", f)
		}
	}
	s.refuse(9, false, fault.Key)
}

func TestAKeyRefusedAllAloneIsBelievedAfterAnHour(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.refuse(1, false, fault.Key)
	s.pass(time.Hour - time.Second)
	s.refuse(1, false, fault.Key)
	s.refuse(2, false, fault.Key)
	s.pass(time.Second)
	s.refuse(1, false, fault.Key) // Not alone any more.
	s.Forget(contract(2))
	s.refuse(1, true, fault.Key)
}

func TestWhatBecameADeadLetterIsRefusedAnew(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.refuse(1, false, fault.Key)
	s.pass(time.Second)
	s.answer(2)
	s.refuse(1, true, fault.Key)
	s.Forget(contract(1))
	s.pass(time.Second)
	s.refuse(1, false, fault.Key)
}

func TestMoreRefusedKeysThanAreRememberedAreNotBelieved(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for n := range 100_000 {
		_ = s.Judge(contract(n), &fault.Fault{Scope: fault.Key, Permanent: true, Status: 422}, s.now)
	}
	s.pass(time.Second)
	s.answer(-1)
	s.refuse(100_001, false, fault.Key)
	s.refuse(5, true, fault.Key)
}

// TestWhatWasNotSentNeedsNoWitness: however many ids cannot stand in a path, the system has refused none of them.
func TestWhatWasNotSentNeedsNoWitness(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for n := range 5 {
		f := s.Judge(contract(n), &fault.Fault{Scope: fault.Key, Permanent: true, Reason: "no_request"}, s.now)
		if !f.Permanent || f.Scope != fault.Key {
			t.Errorf("number %d counts as permanent %t, scope %v", n, f.Permanent, f.Scope)
		}
	}
	s.refuse(9, false, fault.Key)
}
