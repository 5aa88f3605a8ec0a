package retry_test

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/retry"
)

const (
	first = time.Second
	limit = 10 * time.Second
	// remembered is the number of keys of which a schedule knows, as its documentation of memory says.
	remembered = 200_000
)

func contract(id string) key.Key { return key.Key{Source: "pc", Kind: key.Contract, ID: id} }

func TestPausesDoubleUpToTheLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, k := retry.New(first, limit), contract("1")
		for i, want := range []time.Duration{first, 2 * first, 4 * first, 8 * first, limit, limit, limit} {
			wait, attempts := s.Failed(k, 0)
			if wait < want || wait > want+want/4 {
				t.Errorf("pause %d = %s, want %s and up to a quarter more", i+1, wait, want)
			}
			if attempts != i+1 || s.Attempts(k) != i+1 {
				t.Errorf("attempts = %d and %d, want %d", attempts, s.Attempts(k), i+1)
			}
			if got := s.Wait(k); got != wait {
				t.Errorf("Wait = %s, want %s", got, wait)
			}
		}
	})
}

func TestWaitRunsOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, k := retry.New(first, limit), contract("1")
		wait, _ := s.Failed(k, 0)
		time.Sleep(wait - time.Millisecond) //nolint:forbidigo // The clock of the bubble.
		if got := s.Wait(k); got != time.Millisecond {
			t.Errorf("Wait = %s, want 1ms", got)
		}
		time.Sleep(time.Hour) //nolint:forbidigo // The clock of the bubble.
		if got := s.Wait(k); got != 0 {
			t.Errorf("Wait = %s, want 0", got)
		}
		if got := s.Attempts(k); got != 1 {
			t.Errorf("attempts = %d, want 1: the end of a pause is no success", got)
		}
	})
}

func TestTargetMayAskForMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, k := retry.New(first, limit), contract("1")
		if wait, _ := s.Failed(k, time.Minute); wait != time.Minute {
			t.Errorf("pause = %s, want the minute that was asked for", wait)
		}
		if wait, _ := s.Failed(k, time.Millisecond); wait < 2*first {
			t.Errorf("pause = %s, want at least our own %s", wait, 2*first)
		}
	})
}

func TestSuccessBeginsAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, k, other := retry.New(first, limit), contract("1"), contract("2")
		for range 5 {
			s.Failed(k, 0)
			s.Failed(other, 0)
		}
		s.Succeeded(k)
		if wait, attempts := s.Wait(k), s.Attempts(k); wait != 0 || attempts != 0 {
			t.Errorf("after a success: wait %s, %d attempts; want none", wait, attempts)
		}
		if _, attempts := s.Failed(k, 0); attempts != 1 {
			t.Errorf("attempts after a success and a failure = %d, want 1", attempts)
		}
		if got := s.Attempts(other); got != 5 {
			t.Errorf("attempts of another key = %d, want 5", got)
		}
	})
}

func TestUnknownKeyMayBeTried(t *testing.T) {
	t.Parallel()
	s := retry.New(first, limit)
	if wait, attempts := s.Wait(contract("1")), s.Attempts(contract("1")); wait != 0 || attempts != 0 {
		t.Errorf("wait %s, %d attempts; want none", wait, attempts)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := retry.New(first, limit)
		for i := range remembered {
			s.Failed(contract(strconv.Itoa(i)), 0)
		}
		known, beyond := contract("0"), contract("one more")
		for i := range 3 {
			if wait, attempts := s.Failed(beyond, 0); wait < first || attempts != 1 {
				t.Errorf("failure %d of a key beyond the bound: wait %s, attempt %d; want the first pause each time", i+1, wait, attempts)
			}
			if got := s.Attempts(beyond); got != 0 {
				t.Errorf("a key beyond the bound is remembered with %d attempts", got)
			}
			if _, attempts := s.Failed(known, 0); attempts != i+2 {
				t.Errorf("attempts of a key that is remembered = %d, want %d although the memory is full", attempts, i+2)
			}
		}
		time.Sleep(2 * first) //nolint:forbidigo // The clock of the bubble.
		s.Failed(beyond, 0)
		if got := s.Attempts(beyond); got != 1 {
			t.Errorf("attempts = %d, want 1: there is room since the others' pauses are over", got)
		}
		if got := s.Attempts(known); got != 4 {
			t.Errorf("attempts = %d, want 4: a key whose pause is not over stays", got)
		}
		if got := s.Attempts(contract("1")); got != 0 {
			t.Errorf("attempts = %d, want 0: a key whose pause is over has made room", got)
		}
	})
}
