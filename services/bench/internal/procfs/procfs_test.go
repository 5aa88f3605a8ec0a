package procfs

import (
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	goodStat   = "4711 (redis ) server) S 1 4711 4711 0 -1 4194560 900 0 0 0 150 25 0 0 20 0 5 0 1000 70000000 2500 184467\n"
	goodStatus = "Name:\tredis\nVmHWM:\t   20480 kB\nVmRSS:\t   10240 kB\nThreads:\t5\n"
)

func TestParseReadsTimesAndMemory(t *testing.T) {
	t.Parallel()
	got, err := parse(goodStat, goodStatus)
	if err != nil {
		t.Fatal(err)
	}
	want := Usage{CPU: 1750 * time.Millisecond, RSS: 10 << 20, Peak: 20 << 20}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("usage (-want +got):\n%s", diff)
	}
}

func TestParseRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ stat, status string }{
		"empty":            {"", goodStatus},
		"short":            {"1 (a) S 1 2", goodStatus},
		"times are words":  {"4711 (a) S 1 4711 4711 0 -1 4194560 900 0 0 0 x y 0 0", goodStatus},
		"no memory":        {goodStat, "Name:\tkthreadd\n"},
		"memory is a word": {goodStat, "VmRSS:\tmany kB\n"},
	} {
		if got, err := parse(test.stat, test.status); err == nil {
			t.Errorf("%s: got %+v, want an error", name, got)
		}
	}
}

func TestSinceTakesTheDifferenceOfTimeOnly(t *testing.T) {
	t.Parallel()
	got := Usage{CPU: 5 * time.Second, RSS: 3, Peak: 4}.Since(Usage{CPU: 2 * time.Second, RSS: 2, Peak: 2})
	if diff := cmp.Diff(Usage{CPU: 3 * time.Second, RSS: 3, Peak: 4}, got); diff != "" {
		t.Errorf("usage (-want +got):\n%s", diff)
	}
}

func TestReadSeesThisProcess(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		if got := Read(os.Getpid()); got != (Usage{}) {
			t.Errorf("got %+v without /proc", got)
		}
		return
	}
	if got := Read(os.Getpid()); got.RSS <= 0 || got.Peak < got.RSS {
		t.Errorf("got %+v, want the memory of a test", got)
	}
}
