package window

import (
	"context"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/enneo-ai/enneo-bridge/libs/redisx/redistest"
)

// receive returns the next wake.
func receive(t *testing.T, wakes <-chan Wake) Wake {
	t.Helper()
	select {
	case wake, ok := <-wakes:
		if !ok {
			t.Fatal("the channel of wakes is closed")
		}
		return wake
	case <-time.After(patience):
		t.Fatal("no wake")
	}
	return Wake{}
}

func TestWakesSayWhatRedisPublishes(t *testing.T) {
	t.Parallel()
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			rdb := server.open(t)
			s := openStore(t, rdb, 1)
			ctx, cancel := context.WithCancel(t.Context())
			wakes := s.Wakes(ctx)
			if wake := receive(t, wakes); !wake.All {
				t.Errorf("first wake is %+v, want all shards", wake)
			}
			for _, noise := range []string{"", "0", "x 1", "0 x", "1 5", "-1 5", "0 -5", "0 99999999999999999999", "0 5 6"} {
				if err := rdb.Publish(ctx, wakeChannel, noise).Err(); err != nil {
					t.Fatalf("PUBLISH: %v", err)
				}
			}
			clock := fakeClock{}
			clock.ms.Store(1000)
			s.now = clock.text
			mustArm(t, s, soon(keyA, 1, 1234*time.Millisecond))
			if wake, want := receive(t, wakes), (Wake{Hint: Hint{In: 1234 * time.Millisecond}}); wake != want {
				t.Errorf("got %+v, want %+v", wake, want)
			}
			cancel()
			for range wakes { // until it is closed
			}
		})
	}
}

func TestWakesBeginAnewAfterEachReconnect(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openStore(t, server.Client, 1)
	wakes := s.Wakes(t.Context())
	for range 3 {
		if wake := receive(t, wakes); !wake.All {
			t.Errorf("got %+v, want all shards", wake)
		}
		server.Restart(t)
	}
}

func TestWakesEndWithTheirContextWhenNobodyListens(t *testing.T) {
	t.Parallel()
	s := openStore(t, redistest.Open(t), 1)
	ctx, cancel := context.WithCancel(t.Context())
	wakes := s.Wakes(ctx)
	cancel()
	deadline := time.After(patience)
	for {
		select {
		case _, ok := <-wakes:
			if !ok {
				return
			}
		case <-deadline:
			t.Fatal("the channel of wakes stays open")
		}
	}
}

func TestOnlySampledTracesAreKeptAndTheyComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, traceParent, packed string }{
		{"sampled", sampled, packed},
		{"another sampled one", sampled2, packed2},
		{"sampled with another flag", sampled2[:53] + "03", packed2},
		{"not sampled", unsampled, noTrace},
		{"none", "", noTrace},
		{"capitals", strings.ToUpper(sampled), noTrace},
		{"other version", "01" + sampled[2:], noTrace},
		{"too long", sampled + "-x", noTrace},
		{"not hexadecimal", strings.Replace(sampled, "0af7", "0xf7", 1), noTrace},
		{"dash in the wrong place", sampled[:34] + "-0" + sampled[36:], noTrace},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := packTrace(tc.traceParent)
			if got != tc.packed {
				t.Errorf("packTrace = %q, want %q", got, tc.packed)
			}
			var want []string
			if tc.packed != noTrace {
				want = []string{tc.traceParent[:53] + "01"}
			}
			if back := unpackTraces(got); !slices.Equal(back, want) {
				t.Errorf("unpackTraces = %q, want %q", back, want)
			}
		})
	}
}

// Whatever a sender puts into traceparent, one word goes into Redis, and only what is a sampled trace comes back.
func FuzzPackTrace(f *testing.F) {
	for _, seed := range []string{sampled, sampled2, unsampled, "", "-", "00-", strings.Repeat("0", 55), sampled[:54] + "\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, traceParent string) {
		word := packTrace(traceParent)
		if word == "" || strings.ContainsAny(word, " \t\r\n\v\f\x00") || len(word) > 32 {
			t.Fatalf("packTrace(%q) = %q", traceParent, word)
		}
		if word == noTrace {
			return
		}
		if back := unpackTraces(word + word); len(back) != 2 || back[0] != back[1] || back[0] != traceParent[:53]+"01" {
			t.Fatalf("%q came back as %q", traceParent, back)
		}
		flags, err := hex.DecodeString(traceParent[53:])
		if err != nil || flags[0]&1 == 0 {
			t.Fatalf("%q is not sampled, but was kept", traceParent)
		}
	})
}

// Anybody who can publish to Redis can send a wake.
func FuzzReadWake(f *testing.F) {
	for _, seed := range []string{"0 0", "3 1500", "4 1", "-1 1", "", " ", "1", "1 -1", "1 99999999999999"} {
		f.Add(seed)
	}
	s := &Store{shards: 4}
	f.Fuzz(func(t *testing.T, payload string) {
		wake, ok := s.readWake(&redis.Message{Payload: payload})
		if ok && (wake.All || wake.Shard < 0 || wake.Shard >= 4 || wake.In < 0) {
			t.Fatalf("%q was read as %+v", payload, wake)
		}
	})
}

func TestAnswersThatNoScriptGivesAreErrors(t *testing.T) {
	t.Parallel()
	answers := map[string]any{
		"not a list": int64(1), "too short": []any{int64(0), int64(1)}, "words for numbers": []any{"a", "b", "c"},
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := redis.NewCmd(t.Context())
			cmd.SetVal(answer)
			if r := parse(cmd); r.err == nil {
				t.Errorf("read as %+v", r)
			}
		})
	}
	for name, rest := range map[string][]any{
		"too few": {}, "too many": {int64(0), int64(0)}, "unknown code": {int64(3)}, "negative code": {int64(-1)}, "word": {"1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if codes, err := (reply{rest: rest}).codes(1, 3); err == nil {
				t.Errorf("read as %v", codes)
			}
		})
	}
	for name, fields := range map[string][]any{
		"key is a number":      {int64(1), int64(1), int64(1), int64(1), int64(1), int64(1), "-"},
		"position is a word":   {"pc.contract.A", "1", int64(1), int64(1), int64(1), int64(1), "-"},
		"trace is a number":    {"pc.contract.A", int64(1), int64(1), int64(1), int64(1), int64(1), int64(1)},
		"collapsed is a word ": {"pc.contract.A", int64(1), int64(1), int64(1), int64(1), "1", "-"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if w, _, err := parseWindow(fields, "TOK"); err == nil {
				t.Errorf("read as %+v", w)
			}
		})
	}
}
