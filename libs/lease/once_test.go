package lease

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
)

var errWork = errors.New("the work has failed")

func TestOnceReturnsWhatLeadReturnsAndGivesTheLeaseBack(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	const length = time.Hour // Nobody waits for the end of such a lease.
	for _, want := range []error{nil, errWork, nil} {
		l := open(t, b.JetStream(), length)
		err := l.Once(t.Context(), func(context.Context) error {
			if !l.Held() {
				t.Error("lead runs without the lease")
			}
			return want
		})
		if !errors.Is(err, want) || l.Held() {
			t.Errorf("Once = %v, want %v; held afterwards: %t", err, want, l.Held())
		}
	}
}

func TestOnceLeavesWhileALivingProcessHoldsTheLease(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	const length = 3 * time.Second
	run(t, open(t, b.JetStream(), length)).leading(t)
	err := open(t, b.JetStream(), length).Once(t.Context(), func(context.Context) error {
		t.Error("two hold the lease")
		return nil
	})
	if !errors.Is(err, ErrTaken) {
		t.Errorf("Once = %v, want %v", err, ErrTaken)
	}
}

func TestOnceWaitsOutTheLeaseOfTheDead(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	const length = 900 * time.Millisecond
	dead := open(t, b.JetStream(), length)
	if _, err := dead.try(t.Context()); err != nil {
		t.Fatal(err)
	}
	began, led := time.Now(), false
	err := open(t, b.JetStream(), length).Once(t.Context(), func(context.Context) error {
		led = true
		return nil
	})
	if err != nil || !led {
		t.Fatalf("Once = %v, led: %t", err, led)
	}
	if waited := time.Since(began); waited < length/2 {
		t.Errorf("it waited for %s only: a lease of %s was not over", waited, length)
	}
}

func TestOnceEndsWithItsContext(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	if _, err := open(t, b.JetStream(), time.Hour).try(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := open(t, b.JetStream(), time.Hour).Once(ctx, func(context.Context) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Once = %v, want the end of its context", err)
	}
}

func TestOnceTellsThatTheLeaseWasLost(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	const length = 3 * time.Second
	l := open(t, b.JetStream(), length)
	err := l.Once(t.Context(), func(ctx context.Context) error {
		// Somebody else takes the record over, as after a pause of this process.
		thief := open(t, b.JetStream(), length)
		bustest.Eventually(t, "the record is taken between two renewals", func() bool {
			held, err := thief.bucket.Get(t.Context(), thief.name)
			if err != nil {
				t.Fatal(err)
			}
			return thief.write(t.Context(), held) == nil
		})
		<-ctx.Done()
		return nil
	})
	if !errors.Is(err, ErrLost) {
		t.Errorf("Once = %v, want %v", err, ErrLost)
	}
}
