package turn

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/key"
)

var contract = key.Key{Source: "erp", Kind: key.Contract, ID: "a.b 1"}

// air carries what is said to whoever listens, at once.
type air struct {
	mu    sync.Mutex
	ears  []func(subject string, data []byte)
	words []string
}

func (a *air) Say(subject string, data []byte) error {
	a.mu.Lock()
	ears := a.ears
	a.words = append(a.words, string(data[strings.IndexByte(string(data), ' ')+1:]))
	a.mu.Unlock()
	for _, heard := range ears {
		heard(subject, data)
	}
	return nil
}

func (a *air) Hear(_ string, heard func(subject string, data []byte)) (func(), error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ears = append(a.ears, heard)
	return func() {}, nil
}

func (a *air) said() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return strings.Join(a.words, " ")
}

func turns(t *testing.T, s Speaker, lease time.Duration) *Turns {
	t.Helper()
	got, err := New(s, "erp", lease)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(got.Close)
	return got
}

// begin takes a turn and announces it.
func begin(t *testing.T, of *Turns) *Turn {
	t.Helper()
	mine, busy := of.Take(contract)
	if busy == nil {
		busy = mine.Announce()
	}
	if busy != nil {
		t.Fatalf("the key is busy: %v", busy)
	}
	return mine
}

func TestOneTurnAtATimeInOneProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		here := turns(t, &air{}, MaxLease)
		mine := begin(t, here)
		other := contract
		other.Kind = key.Customer
		if _, busy := here.Take(other); busy != nil {
			t.Errorf("another key is busy: %v", busy)
		}
		for _, step := range []struct{ after, want time.Duration }{{0, minPause}, {time.Second, time.Second / 2}, {time.Minute, maxPause}} {
			time.Sleep(step.after) //nolint:forbidigo // The clock of the bubble.
			if _, busy := here.Take(contract); busy == nil || busy.Elsewhere || busy.Pause != step.want {
				t.Errorf("after %s more: %+v, want busy here for %s", step.after, busy, step.want)
			}
		}
		mine.End()
		mine.End()
		begin(t, here).End()
	})
}

func TestTurnOfAnotherReplicaLastsUntilItEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shared := &air{}
		here, there := turns(t, shared, MaxLease), turns(t, shared, MaxLease)
		mine := begin(t, here)
		time.Sleep(10 * MaxLease) //nolint:forbidigo // The clock of the bubble.
		if _, busy := there.Take(contract); busy == nil || !busy.Elsewhere || busy.Pause != maxPause {
			t.Errorf("after ten leases: %+v, want busy elsewhere for %s", busy, maxPause)
		}
		mine.End()
		begin(t, there).End()
		synctest.Wait()
		if got := len(here.others) + len(there.others) + len(here.own) + len(there.own); got != 0 {
			t.Errorf("%d turns are remembered, want none", got)
		}
	})
}

// A turn that was taken before another replica announced its own gives way.
func TestWhoAnnouncesFirstReads(t *testing.T) {
	t.Parallel()
	shared := &air{}
	here, there := turns(t, shared, MaxLease), turns(t, shared, MaxLease)
	late, busy := there.Take(contract)
	if busy != nil {
		t.Fatal(busy)
	}
	mine := begin(t, here)
	if busy := late.Announce(); busy == nil || !busy.Elsewhere {
		t.Errorf("Announce = %+v, want busy elsewhere", busy)
	}
	late.End() // It has announced nothing, so it takes nothing back.
	if _, busy := there.Take(contract); busy == nil {
		t.Error("the end of a turn that was never announced has ended another's")
	}
	mine.End()
}

func TestDeadReaderDelaysItsKeyByOneLease(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ lease, want time.Duration }{
		"of its own":          {2 * time.Second, 2 * time.Second},
		"of the longest kind": {time.Hour, MaxLease},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				shared := &air{}
				here, there := turns(t, shared, tc.lease), turns(t, shared, MaxLease)
				mine := begin(t, here)
				mine.renewal.Stop() // It dies.
				began := time.Now()
				for {
					next, busy := there.Take(contract)
					if busy == nil {
						next.End()
						break
					}
					time.Sleep(busy.Pause) //nolint:forbidigo // The clock of the bubble.
				}
				if took := time.Since(began); took != tc.want {
					t.Errorf("the key was busy for %s, want %s", took, tc.want)
				}
			})
		})
	}
}

func TestTurnIsSaidAgainEveryThirdOfTheLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shared := &air{}
		here := turns(t, shared, 900*time.Millisecond)
		mine := begin(t, here)
		time.Sleep(700 * time.Millisecond) //nolint:forbidigo // The clock of the bubble.
		mine.End()
		time.Sleep(time.Minute) //nolint:forbidigo // The clock of the bubble.
		if got, want := shared.said(), "900 900 900 0"; got != want {
			t.Errorf("said %q, want %q", got, want)
		}
	})
}

func FuzzNote(f *testing.F) {
	const subject = subjects + "erp.contract.4711"
	f.Add(subject, "HOLDER 3000")
	f.Add(subject, "HOLDER 0")
	f.Add(subject, "HOLDER -1")
	f.Add(subject, "HOLDER 4294967295")
	f.Add(subject, " 3000")
	f.Add(subjects+"erp.contract", "HOLDER 3000")
	f.Fuzz(func(t *testing.T, subject, data string) {
		turns, err := New(&air{}, "erp", MaxLease)
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		turns.note(subject, []byte(data), now)
		for k, c := range turns.others {
			if subjects+k.String() != subject || c.holder == "" || !c.until.After(now) || c.until.Sub(now) > MaxLease {
				t.Errorf("%q on %q was heard as %+v of %s", data, subject, c, k)
			}
		}
		turns.note(subject, []byte(strings.SplitN(data, " ", 2)[0]+" 0"), now)
		if len(turns.others) != 0 {
			t.Errorf("the end of %q on %q was not heard", data, subject)
		}
	})
}
