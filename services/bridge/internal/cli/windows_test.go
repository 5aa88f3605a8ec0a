package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/redisx/redistest"
	"github.com/enneo-ai/enneo-bridge/services/debouncer/windows"
)

// redisWithWindows is a Redis as debouncers with one shard leave it, which the environment names.
type redisWithWindows struct {
	*redistest.Server
	env map[string]string
}

func newRedisWithWindows(t *testing.T) *redisWithWindows {
	t.Helper()
	r := &redisWithWindows{Server: redistest.Start(t)}
	r.env = map[string]string{"REDIS_URL": r.URL}
	if err := r.Client.MSet(t.Context(), "debounce:{shards}:count", 1, "debounce:{0}:epoch", "+life").Err(); err != nil {
		t.Fatal(err)
	}
	return r
}

// put stores a window in the form that the debouncer's package window documents; at is its place in the schedule.
func (r *redisWithWindows) put(t *testing.T, k, state string, at time.Time) {
	t.Helper()
	if err := r.Client.HSet(t.Context(), "debounce:{0}:windows", k, state).Err(); err != nil {
		t.Fatal(err)
	}
	if err := r.Client.ZAdd(t.Context(), "debounce:{0}:due", redis.Z{Score: float64(at.UnixMilli()), Member: k}).Err(); err != nil {
		t.Fatal(err)
	}
}

// open stores a window with one event, due after the wait.
func (r *redisWithWindows) open(t *testing.T, k string, p position.Position, wait time.Duration) {
	t.Helper()
	now := time.Now()
	r.put(t, k, fmt.Sprintf("%d %d %d %d 1", p.Epoch, p.Sequence, now.UnixMilli(), wait.Milliseconds()), now.Add(wait))
}

// claimed stores a window that a debouncer is flushing.
func (r *redisWithWindows) claimed(t *testing.T, k string) {
	t.Helper()
	now := time.Now()
	r.put(t, k, fmt.Sprintf("1 7 0 0 0 0 - %d TOK 1 7 %d 500 2 -", now.Add(time.Hour).UnixMilli(), now.UnixMilli()), now.Add(time.Hour))
}

func (r *redisWithWindows) has(t *testing.T, k string) bool {
	t.Helper()
	has, err := r.Client.HExists(t.Context(), "debounce:{0}:windows", k).Result()
	if err != nil {
		t.Fatal(err)
	}
	return has
}

// dueIn is how far from now a window stands in the schedule.
func (r *redisWithWindows) dueIn(t *testing.T, k string) time.Duration {
	t.Helper()
	score, err := r.Client.ZScore(t.Context(), "debounce:{0}:due", k).Result()
	if err != nil {
		t.Fatal(err)
	}
	return time.Until(time.UnixMilli(int64(score)))
}

// noon is the time of Redis in what is shown.
var noon = time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)

// shownWindows has a window in each state.
func shownWindows(t *testing.T) []windows.Window {
	t.Helper()
	one := func(id string, sequence uint64) windows.Window {
		return windows.Window{Key: contract(t, id), Now: noon, Position: position.Position{Epoch: 1795460706, Sequence: sequence}}
	}
	events := func(ago, wait time.Duration, n uint64) windows.Events {
		first := noon.Add(-ago)
		return windows.Events{First: first, Due: first.Add(wait), Count: n}
	}
	open, due, claimed, lost, paused, cooling := one("VN-1", 70), one("VN-2", 71), one("VN-3", 72), one("VN-4", 73), one("VN-5", 74), one("12/3", 75)
	open.Open = events(4*time.Second, 10*time.Second, 3)
	open.Open.TraceParents = []string{"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
	due.Open = events(time.Minute, 15*time.Second, 12)
	due.Unscheduled = true
	claimed.Open = events(time.Second, 10*time.Second, 1)
	claimed.Claim = &windows.Lease{
		Events: events(16*time.Second, 15*time.Second, 2), Position: position.Position{Epoch: 1795460706, Sequence: 69}, Until: noon.Add(29 * time.Second),
	}
	lost.Claim = &windows.Lease{Events: events(31*time.Second, 500*time.Millisecond, 2), Position: lost.Position, Until: noon.Add(-300 * time.Millisecond)}
	paused.Open, paused.PausedUntil = events(20*time.Second, 15*time.Second, 1), noon.Add(2500*time.Millisecond)
	cooling.CoolsUntil = noon.Add(90 * time.Second)
	return []windows.Window{due, lost, paused, open, claimed, cooling}
}

func TestWindowsAsTheyAreShown(t *testing.T) {
	t.Parallel()
	all := shownWindows(t)
	for name, p := range map[string]func(*bytes.Buffer) printer{
		"windows-ls.golden.txt":  func(out *bytes.Buffer) printer { return &tablePrinter{out: out} },
		"windows-ls.golden.json": func(out *bytes.Buffer) printer { return &jsonPrinter{out: out} },
	} {
		var out bytes.Buffer
		printer := p(&out)
		s := listSummary{all: 9, filtered: true, left: 2, shards: 16, filling: 3, unreadable: 1}
		for i := range all {
			s.add(&all[i])
			if err := printer.window(&all[i]); err != nil {
				t.Fatal(err)
			}
		}
		if err := printer.summary(&s); err != nil {
			t.Fatal(err)
		}
		golden(t, name, out.String())
		if strings.HasSuffix(name, ".json") && !json.Valid(out.Bytes()) {
			t.Errorf("%s is no JSON", name)
		}
	}
	var shown strings.Builder
	for i := range all {
		shown.WriteString(windowText(&all[i]) + "\n")
	}
	golden(t, "windows-show.golden.txt", shown.String())
}

func TestNoWindowsAreShownAsNone(t *testing.T) {
	t.Parallel()
	r := newRedisWithWindows(t)
	if code, out, errs := call(t.Context(), r.env, "windows", "ls"); code != exitOK || out != "no windows: nothing waits to be flushed\n" || errs != "" {
		t.Errorf("ls exits %d, prints %q and says %q", code, out, errs)
	}
	code, out, _ := call(t.Context(), r.env, "windows", "ls", "--json")
	if code != exitOK || !json.Valid([]byte(out)) || !strings.Contains(out, `"windows": []`) {
		t.Errorf("ls --json exits %d and prints %q", code, out)
	}
	code, out, errs := call(t.Context(), r.env, "windows", "show", "powercloud.contract.VN-1")
	if code != exitFinding || !strings.Contains(out, "has no window") || !strings.Contains(out, "bridge audit") || errs != "" {
		t.Errorf("show exits %d, prints %q and says %q", code, out, errs)
	}
}

// listed are the keys that ls shows, in their order, and what it sums up.
func (r *redisWithWindows) listed(t *testing.T, args ...string) (keys []string, sum int) {
	t.Helper()
	code, out, errs := call(t.Context(), r.env, append([]string{"windows", "ls", "--json"}, args...)...)
	var document struct {
		Windows []struct {
			Key string `json:"key"`
		} `json:"windows"`
		Summary struct {
			Windows int `json:"windows"`
		} `json:"summary"`
	}
	if err := json.Unmarshal([]byte(out), &document); code != exitOK || err != nil || errs != "" {
		t.Fatalf("ls exits %d and says %q: %v", code, errs, err)
	}
	keys = []string{}
	for _, w := range document.Windows {
		keys = append(keys, w.Key)
	}
	return keys, document.Summary.Windows
}

func TestTheListShowsTheSoonestAndSumsUpAll(t *testing.T) {
	t.Parallel()
	r := newRedisWithWindows(t)
	const n = 3000
	for i := range n {
		r.open(t, "powercloud.contract."+strconv.Itoa(i), position.Position{Epoch: 1, Sequence: uint64(i + 1)}, time.Hour+time.Duration(n-i)*time.Second)
	}
	r.open(t, "lynq.customer.1", position.Position{Epoch: 1, Sequence: n + 1}, -time.Minute)
	r.claimed(t, "lynq.contract.2")
	for _, tc := range []struct {
		args string
		want []string
		sum  int
	}{
		{"--limit 3", []string{"lynq.customer.1", "lynq.contract.2", "powercloud.contract.2999"}, n + 2},
		{"--limit 2 --source powercloud", []string{"powercloud.contract.2999", "powercloud.contract.2998"}, n},
		{"--kind customer", []string{"lynq.customer.1"}, 1},
		{"--overdue", []string{"lynq.customer.1"}, 1},
		{"--claimed", []string{"lynq.contract.2"}, 1},
		{"--overdue --claimed", []string{}, 0},
	} {
		got, sum := r.listed(t, strings.Fields(tc.args)...)
		if diff := cmp.Diff(tc.want, got); diff != "" || sum != tc.sum {
			t.Errorf("ls %s sums up %d, want %d (-want +got):\n%s", tc.args, sum, tc.sum, diff)
		}
	}
	if got, sum := r.listed(t, "--limit", "0"); len(got) != n+2 || sum != n+2 {
		t.Errorf("ls --limit 0 shows %d and sums up %d, want %d", len(got), sum, n+2)
	}
	code, out, _ := call(t.Context(), r.env, "windows", "ls", "--limit", "2")
	if code != exitOK || !strings.Contains(out, "and 3000 more\n") || !strings.Contains(out, "3002 windows: 3000 open, 1 due, 1 claimed; 1 overdue") {
		t.Errorf("ls exits %d and prints %q", code, out)
	}
}

func TestTheSoonestAreKeptWhateverTheOrder(t *testing.T) {
	t.Parallel()
	s := soonest{limit: 3}
	for _, i := range []int{5, 1, 9, 1, 7, 3, 8, 2, 3, 6, 4} {
		s.offer(&windows.Window{
			Key: contract(t, strconv.Itoa(i)), Now: noon, Open: windows.Events{First: noon, Due: noon.Add(time.Duration(i) * time.Second), Count: 1},
		})
		if len(s.windows) > 2*s.limit {
			t.Fatalf("%d windows are held, want at most twice the limit", len(s.windows))
		}
	}
	s.trim()
	var got []string
	for _, w := range s.windows {
		got = append(got, w.Key.ID)
	}
	if diff := cmp.Diff([]string{"1", "2", "3"}, got); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
}

func TestFlushMakesWindowsDueAndWakesTheDebouncers(t *testing.T) {
	t.Parallel()
	r := newRedisWithWindows(t)
	r.open(t, "powercloud.contract.VN-1", position.Position{Epoch: 1, Sequence: 1}, time.Hour)
	r.claimed(t, "powercloud.contract.VN-2")
	wakes := r.Client.Subscribe(t.Context(), "debounce:wake")
	defer wakes.Close()
	if _, err := wakes.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	code, out, errs := call(t.Context(), r.env, "windows", "flush", "powercloud.contract.VN-1", "powercloud.contract.VN-2")
	want := "✓ powercloud.contract.VN-1: is due now\n✓ powercloud.contract.VN-2: is being flushed already, and holds nothing newer\n"
	if code != exitOK || out != want || errs != "" {
		t.Errorf("flush exits %d, prints %q and says %q; want %q", code, out, errs, want)
	}
	if in := r.dueIn(t, "powercloud.contract.VN-1"); in > 0 {
		t.Errorf("due in %s, want now", in)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if message, err := wakes.ReceiveMessage(ctx); err != nil || message.Payload != "0 0" {
		t.Errorf("wake %v, %v; want shard 0 at once", message, err)
	}
	code, out, _ = call(t.Context(), r.env, "windows", "flush", "powercloud.contract.VN-9")
	if code != exitFinding || !strings.Contains(out, "✗ powercloud.contract.VN-9: has no window") {
		t.Errorf("flush of a key without a window exits %d and prints %q", code, out)
	}
}

func TestFlushOfASourceIsConfirmedAndTouchesNoOther(t *testing.T) {
	t.Parallel()
	r := newRedisWithWindows(t)
	const n = 1200
	for i := range n {
		r.open(t, "powercloud.contract."+strconv.Itoa(i), position.Position{Epoch: 1, Sequence: uint64(i + 1)}, time.Hour)
	}
	r.open(t, "lynq.contract.1", position.Position{Epoch: 1, Sequence: n + 1}, time.Hour)
	// Standard input of a test is no terminal, or ends at once.
	code, out, errs := call(t.Context(), r.env, "windows", "flush", "--source", "powercloud")
	if code != exitFailure || out != "" || !strings.Contains(errs, "--yes") || r.dueIn(t, "powercloud.contract.0") < 0 {
		t.Errorf("flush without a confirmation exits %d, prints %q and says %q", code, out, errs)
	}
	code, out, errs = call(t.Context(), r.env, "windows", "flush", "--source", "powercloud", "--yes")
	if code != exitOK || out != "✓ powercloud: 1200 windows due now, 0 after their claim, 0 being flushed already\n" || errs != "" {
		t.Errorf("flush exits %d, prints %q and says %q", code, out, errs)
	}
	if _, overdueOrDue := r.listed(t, "--source", "powercloud"); overdueOrDue != n {
		t.Errorf("%d windows of the source, want %d", overdueOrDue, n)
	}
	if r.dueIn(t, "powercloud.contract.777") > 0 || r.dueIn(t, "lynq.contract.1") < 0 {
		t.Error("a window of the source is not due, or one of another source is")
	}
}

func TestDropSettlesWithAReasonOrNotAtAll(t *testing.T) {
	t.Parallel()
	r := newRedisWithWindows(t)
	server := bustest.Start(t)
	b := server.Connect(t, "powercloud")
	r.env["NATS_URL"] = server.URL()
	p := appendEvents(t, b, "VN-1", "VN-1")
	const name = "powercloud.contract.VN-1"
	r.open(t, name, p, time.Hour)
	drop := func(args ...string) (int, string, string) {
		return call(t.Context(), r.env, append([]string{"windows", "drop", name}, args...)...)
	}

	code, out, errs := drop("--reason", "test contract")
	if code != exitFailure || out != "" || !strings.Contains(errs, "--yes") || !r.has(t, name) {
		t.Errorf("drop without a confirmation exits %d, prints %q and says %q", code, out, errs)
	}
	code, out, errs = drop("--reason", "test contract", "--yes")
	if want := fmt.Sprintf("✓ %s: settled as dropped up to %s, and the window is gone\n", name, p); code != exitOK || out != want || errs != "" || r.has(t, name) {
		t.Errorf("drop exits %d, prints %q and says %q; want %q", code, out, errs, want)
	}
	code, out, _ = call(t.Context(), r.env, "audit", "--json")
	if code != exitOK || !strings.Contains(out, `"dropped": 2`) {
		t.Errorf("audit exits %d and prints %q, want two events dropped", code, out)
	}
	code, out, _ = drop("--reason", "test contract", "--yes")
	if code != exitFinding || !strings.Contains(out, "has no window") {
		t.Errorf("drop of nothing exits %d and prints %q", code, out)
	}
	r.claimed(t, name)
	code, out, _ = drop("--reason", "test contract", "--yes")
	if code != exitFinding || !strings.Contains(out, "nothing was changed") || !strings.Contains(out, "try again in 1h") || !r.has(t, name) {
		t.Errorf("drop of a claimed window exits %d and prints %q", code, out)
	}
}

func TestWindowsCommandsRefuseWhatIsVague(t *testing.T) {
	t.Parallel()
	empty, dead := redistest.Start(t), redistest.Start(t)
	dead.Kill(t)
	for name, tc := range map[string]struct {
		url, args, want string
	}{
		"no key":               {empty.URL, "show VN-1", keyForm},
		"raw id":               {empty.URL, "show powercloud.contract.12/3", "did you mean powercloud.contract.12=2F3?"},
		"unknown kind":         {empty.URL, "flush powercloud.invoice.1", keyForm},
		"neither key nor all":  {empty.URL, "flush", "--source"},
		"key and source":       {empty.URL, "flush --source powercloud powercloud.contract.1", "--source"},
		"source that is none":  {empty.URL, "ls --source Power", "--source"},
		"kind that is none":    {empty.URL, "ls --kind invoice", "--kind"},
		"negative limit":       {empty.URL, "ls --limit -1", "--limit"},
		"timeout of nothing":   {empty.URL, "ls --timeout 0s", "--timeout"},
		"no reason":            {empty.URL, "drop powercloud.contract.1 --yes", "--reason"},
		"reason of blanks":     {empty.URL, "drop powercloud.contract.1 --yes --reason \u00a0", "--reason"},
		"reason too long":      {empty.URL, "drop powercloud.contract.1 --yes --reason " + strings.Repeat("x", maxReason+1), "200"},
		"reason with controls": {empty.URL, "drop powercloud.contract.1 --yes --reason a\x1bb", "--reason"},
		"no windows":           {empty.URL, "ls", "no debouncer has run on it"},
		"Redis is away":        {dead.URL, "ls --timeout 300ms", "REDIS_URL"},
		"no Redis URL":         {"http://example.org", "ls", "not a Redis URL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := strings.Split("windows "+tc.args, " ")
			code, out, errs := call(t.Context(), map[string]string{"REDIS_URL": tc.url}, args...)
			if code != exitFailure || out != "" || !strings.Contains(errs, tc.want) {
				t.Errorf("bridge %s exits %d, prints %q and says %q; want %d, nothing and %q", tc.args, code, out, errs, exitFailure, tc.want)
			}
		})
	}
}

func TestAPrinterThatCannotWriteSaysSo(t *testing.T) {
	t.Parallel()
	all := shownWindows(t)
	broken := errors.New("broken")
	for _, p := range []printer{&tablePrinter{out: failing{broken}}, &jsonPrinter{out: failing{broken}}} {
		err := p.window(&all[0])
		if err == nil {
			err = p.summary(&listSummary{})
		}
		if !errors.Is(err, broken) {
			t.Errorf("%T: %v, want the error of the writer", p, err)
		}
	}
}

// failing is a writer that cannot.
type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
