package measuring

import (
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// timer collects how long calls take.
type timer struct {
	name       string
	times, cpu []time.Duration
	err        error
}

func (t *timer) reset() { t.times, t.cpu = nil, nil }

// time makes a call. The CPU time is that of the thread, which does all of it: the store has no threads of its own.
func (t *timer) time(call func() error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, began := threadTime(), time.Now()
	err := call()
	t.times = append(t.times, time.Since(began))
	t.cpu = append(t.cpu, threadTime()-before)
	if err != nil && t.err == nil {
		t.err = err
	}
}

func threadTime() time.Duration {
	var usage unix.Rusage
	if unix.Getrusage(unix.RUSAGE_THREAD, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func (t *timer) call() Call {
	return Call{
		Name: t.name, Asked: len(t.times), P50Us: quantile(t.times, 50), P99Us: quantile(t.times, 99), P99CPUUs: quantile(t.cpu, 99),
		MaxUs: quantile(t.times, 100),
	}
}

// quantile is in microseconds.
func quantile(times []time.Duration, percent int) int64 {
	if len(times) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(times))
	rank := (len(sorted)*percent + 99) / 100
	return sorted[max(rank, 1)-1].Microseconds()
}
