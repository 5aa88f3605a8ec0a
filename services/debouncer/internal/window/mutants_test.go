package window

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/enneo-ai/enneo-bridge/libs/redisx/redistest"
)

// mutant is a mistake that somebody could make in one script.
type mutant struct {
	name, script string
	old, new     string
	// byModel: random histories find it. All others are found by the table of script_test.go alone, because no history
	// can see them (wakes), or because the scripts of this package never bring about the state they need.
	byModel bool
}

var mutants = []mutant{
	// The rules of arming.
	{"no max wait", "arm", "math.min(now + event.quiet, w.first + event.max_wait)", "now + event.quiet", true},
	{"no quiet period", "arm", "math.min(now + event.quiet, w.first + event.max_wait)", "w.first + event.max_wait", true},
	{"max wait from the newest event", "arm", "if w.first == 0 then", "w.first = now; if w.first == 0 then", true},
	{"max wait from every event", "arm", "    w.first = now\n  end", "  end\n  w.first = now", true},
	{"duplicates are armed", "arm", "not is_later(event.epoch, event.seq, w)", "is_later(w.epoch, w.seq, event)", true},
	{"older positions are armed", "arm", "if w and not is_later(event.epoch, event.seq, w) then", "if false then", true},
	{"a duplicate extends the due", "arm", "    return 0\n", "    w.due = now + event.quiet; touched[#touched + 1] = event.key; return 0\n", true},
	{"epoch is ignored", "state", "epoch > w.epoch or (epoch == w.epoch and seq > w.seq)", "seq > w.seq", true},
	{"epoch does not come first", "state", "epoch > w.epoch or (epoch == w.epoch and seq > w.seq)", "epoch > w.epoch or seq > w.seq", false},
	{"position is not stored", "arm", "w.epoch, w.seq, w.n = event.epoch, event.seq, w.n + 1", "w.n = w.n + 1; w.epoch = w.epoch or event.epoch; w.seq = w.seq or event.seq", true},
	{"epoch is not stored", "arm", "w.epoch, w.seq, w.n = event.epoch,", "w.epoch, w.seq, w.n = w.epoch or event.epoch,", true},
	{"events are not counted", "arm", "event.seq, w.n + 1", "event.seq, 1", true},
	{"a batch knows only its last event", "arm", "    windows[event.key] = w\n", "", true},
	{"only the trace of the first event is kept", "arm", "w.trace = join_traces(w.trace, event.trace)", "w.trace = w.trace == '-' and event.trace or w.trace", true},
	{"only the trace of the newest event is kept", "arm", "w.trace = join_traces(w.trace, event.trace)", "if event.trace ~= '-' then w.trace = event.trace end", true},
	{"unsampled events clear the traces", "arm", "w.trace = join_traces(w.trace, event.trace)", "w.trace = event.trace", true},
	{"traces are kept without end", "state", "if #all > most then", "if false then", true},
	{"of too many traces the first goes", "state", "all = string.sub(all, 1, TRACE) .. string.sub(all, TRACE - most)", "all = string.sub(all, -most)", true},
	{"the traces of one request are kept for each event", "state", "if string.sub(held, -#later) == later then", "if false then", false},
	{"the trace of an older version is kept", "state", "if #held % TRACE ~= 0 then", "if held == '-' then", false},
	{"an extended window does not tell its trace", "arm", "if first ~= event.trace then", "if false then", false},
	{"an event is told its own trace", "arm", "if first ~= event.trace then", "if true then", false},
	{"outcomes are confused", "arm", "result = 1\n", "result = 2\n", true},
	{"a refused argument is taken", "state", "not n or n > MAX_WHOLE", "not n", false},
	// The schedule.
	{"arm ignores a live lease", "state", "if w.claim or w.held > now then", "if false then", true},
	{"arm puts off an expired lease", "state", "if w.claim or w.held > now then", "if w.held > now then", true},
	{"arm shortens the pause after a failed flush", "state", "if w.claim or w.held > now then", "if w.claim then", true},
	{"a pause never ends", "arm", "w.held <= now then", "w.held < 0 then", true},
	{"a pause ends with any event", "arm", "not w.claim and w.held <= now", "not w.claim", true},
	{"state without schedule", "state", "redis.call('ZADD', KEYS[2], unpack(scores))", "redis.call('ZADD', KEYS[2], 'NX', unpack(scores))", true},
	{"schedule is only made earlier", "state", "redis.call('ZADD', KEYS[2],", "redis.call('ZADD', KEYS[2], 'LT',", true},
	{"schedule without state", "state", "redis.call('HSET', KEYS[1], unpack(states))", "", true},
	{"removed windows stay in the schedule", "state", "redis.call('ZREM', KEYS[2], unpack(gone))", "", true},
	{"removed windows keep their state", "state", "redis.call('HDEL', KEYS[1], unpack(gone))", "", true},
	{"numbers keep 14 digits", "state", "string.format('%.0f %.0f %.0f %.0f %.0f', w.epoch", "string.format('%.14g %.14g %.0f %.0f %.0f', w.epoch", false},
	{"scores keep 10 digits", "state", "return string.format('%.0f', n)", "return string.format('%.10g', n)", false},
	{"next due is in the past", "state", "math.max(0, next_at - now) or -1", "(next_at - now) or -1", true},
	{"nothing is due next", "state", "math.max(0, next_at - now) or -1", "math.max(0, next_at - now) or 0", true},
	// Claiming.
	{"claim before the due", "claim", "'-inf', digits(now),", "'-inf', digits(now + 1),", true},
	{"claim one ms late", "claim", "'-inf', digits(now),", "'-inf', '(' .. digits(now),", true},
	{"claim ignores leases", "claim", "'-inf', digits(now),", "'-inf', '+inf',", true},
	{"claim newest first", "claim", "redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', digits(now),", "redis.call('ZREVRANGEBYSCORE', KEYS[2], digits(now), '-inf',", true},
	{"claim ignores the limit", "claim", "'LIMIT', 0, limit)", "'LIMIT', 0, limit + 1)", true},
	{"claim forgets the lost claim's first", "claim", "claim.first, claim.due, claim.n = lost.first, lost.due, lost.n + w.n", "claim.n = lost.n + w.n", true},
	{"claim forgets the lost claim's events", "claim", "lost.due, lost.n + w.n", "lost.due, w.n", true},
	{"claim forgets the lost claim's trace", "claim", "claim.trace = join_traces(lost.trace, claim.trace)", "", true},
	{"claim keeps the open events", "claim", "w.first, w.due, w.n, w.trace = 0, 0, 0, '-'", "w.trace = '-'", true},
	{"claim keeps the trace", "claim", "w.first, w.due, w.n, w.trace = 0, 0, 0, '-'", "w.first, w.due, w.n = 0, 0, 0", true},
	{"lease of no length", "claim", "w.claim, w.held = claim, now + lease", "w.claim, w.held = claim, now", true},
	{"claim keeps the old token", "claim", "local claim = { token = token,", "local claim = { token = w.claim and w.claim.token or token,", true},
	{"orphans are not counted", "claim", "orphans = orphans + 1", "orphans = orphans", false},
	// Completing.
	{"complete ignores newer events", "complete", "if is_later(w.epoch, w.seq, claim) then", "if false then", true},
	{"complete compares sequences only", "complete", "if is_later(w.epoch, w.seq, claim) then", "if w.seq > claim.seq then", true},
	{"complete always rearms", "complete", "if is_later(w.epoch, w.seq, claim) then", "if true then", true},
	{"complete ignores the token", "complete", "claim.token ~= given.token or", "", true},
	{"complete ignores the position", "complete", "or claim.epoch ~= given.epoch or claim.seq ~= given.seq then", "then", false},
	{"complete takes the lease for granted", "complete", "if not claim or claim.token ~= given.token or", "if not w then return 0 end\n  claim = claim or given\n  if claim.token ~= given.token or", true},
	{"complete keeps the lease", "complete", "w.claim, w.held = nil, 0", "w.claim = nil", true},
	{"complete keeps the claim", "complete", "w.claim, w.held = nil, 0", "w.held = 0", true},
	// Releasing.
	{"release ignores the token", "release", "if claim and claim.token == tokens[i] then", "if claim then", true},
	{"release forgets the older first", "release", "w.first, w.due, w.n = claim.first, claim.due, claim.n + w.n", "w.n = claim.n + w.n; if w.first == 0 then w.first, w.due = now, now end", true},
	{"release forgets events", "release", "w.first, w.due, w.n = claim.first, claim.due, claim.n + w.n", "w.first, w.due, w.n = claim.first, claim.due, claim.n", true},
	{"release forgets what came meanwhile", "release", "w.first, w.due, w.n = claim.first, claim.due, claim.n + w.n", "w.first, w.due, w.n, w.epoch, w.seq = claim.first, claim.due, claim.n, claim.epoch, claim.seq", true},
	{"release does nothing", "release", "w.claim, w.held = nil, delay > 0 and now + delay or 0", "", true},
	{"release without a pause", "release", "w.claim, w.held = nil, delay > 0 and now + delay or 0", "w.claim, w.held = nil, 0", true},
	{"release loses the traces", "release", "    w.trace = join_traces(claim.trace, w.trace)\n", "", true},
	{"release puts the older traces last", "release", "join_traces(claim.trace, w.trace)", "join_traces(w.trace, claim.trace)", true},
	// Urgent events.
	{"urgent events wait", "arm", "due = math.min(now, due)", "", true},
	{"urgent events never cool down", "claim", "w.cool = now - w.cool", "w.cool = 0", true},
	{"urgent events are put off", "arm", "if w.cool < 0 then", "if false then", true},
	{"cooling is not prolonged", "arm", "w.cool = now + event.quiet", "w.cool = w.cool", true},
	{"cooling never ends", "arm", "elseif w.cool > now then", "elseif w.cool > 0 then", true},
	{"cooling windows are removed", "complete", "if w.cool <= now then", "if true then", true},
	{"cooled windows are claimed", "claim", "elseif w.first == 0 and not w.claim then", "elseif false then", true},
	{"cooled windows stay", "complete", "if w.cool <= now then", "if w.cool <= 0 then", true},
	// Wakes and the epoch marker.
	{"arm wakes nobody", "arm", "wake(before, after, now)", "", false},
	{"complete wakes nobody", "complete", "wake(before, after, now)", "", false},
	{"release wakes nobody", "release", "wake(before, after, now)", "", false},
	{"wakes for later windows", "state", "not before or after < before", "true", false},
	{"no wake for the first window", "state", "not before or after < before", "before and after < before", false},
	// The clock of Redis goes back.
	{"a due before the first event is not stored", "state", "w.first, w.due - w.first, w.n)", "w.first, math.max(0, w.due - w.first), w.n)", true},
	{"a claim's due before its first is not stored", "state", "c.due - c.first, c.n, c.trace", "math.max(0, c.due - c.first), c.n, c.trace", true},
	{"a due is never earlier than the last", "arm", "w.due = due", "w.due = math.max(w.due, due)", true},
	{"the first event follows the clock back", "arm", "if w.first == 0 then", "if w.first > now then w.first = now end\n  if w.first == 0 then", true},
	{"cooling is only ever prolonged", "arm", "w.cool = now + event.quiet", "w.cool = math.max(w.cool, now + event.quiet)", true},
	{"a lease ends with the clock going back", "state", "if w.claim or w.held > now then", "if w.claim and w.held - now <= 20 or w.held > now and not w.claim then", true},
	// The epoch marker.
	{"a shard never says that it was emptied", "state", "local emptied = 1", "local emptied = 0", true},
	{"a shard always says that it was emptied", "state", "if marker and string.sub(marker, 1, 1) == '+' then", "if false then", true},
	{"a refill that has begun counts as done", "state", "if marker and string.sub(marker, 1, 1) == '+' then", "if marker then", true},
	{"a missing marker counts as done", "state", "if marker and string.sub(marker, 1, 1) == '+' then", "if not marker or string.sub(marker, 1, 1) == '+' then", true},
	{"a refill ends the life of another", "refilled", "if not marker or string.sub(marker, 2) ~= ARGV[3] then", "if not marker then", true},
	{"a refill ends where nothing has begun", "refilled", "if not marker or string.sub(marker, 2) ~= ARGV[3] then", "if marker and string.sub(marker, 2) ~= ARGV[3] then", true},
	{"a refill ends a life only once", "refilled", "string.sub(marker, 2) ~= ARGV[3]", "marker ~= '-' .. ARGV[3]", true},
	{"a refill is not noted", "refilled", "redis.call('SET', KEYS[3], '+' .. ARGV[3])", "", true},
	{"a refill is noted as begun", "refilled", "redis.call('SET', KEYS[3], '+' .. ARGV[3])", "redis.call('SET', KEYS[3], '-' .. ARGV[3])", true},
	{"a refill is noted before it has begun", begins, "-", "+", true},
	{"each replica begins a life of its own", begins, "nx", "keepttl", true},
}

// begins stands for a script where the mistake is in the command with which Refill begins a life.
const begins = "begins"

// mistaken changes a word of the commands with which Refill begins a life.
type mistaken struct{ old, new string }

func (mistaken) DialHook(next redis.DialHook) redis.DialHook { return next }

func (mistaken) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (m mistaken) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			args := cmd.Args()
			if cmd.Name() != "set" && cmd.Name() != "setnx" {
				continue
			}
			for i := range args {
				if text, ok := args[i].(string); ok && strings.HasPrefix(text, m.old) {
					args[i] = m.new + strings.TrimPrefix(text, m.old)
				}
			}
		}
		return next(ctx, cmds)
	}
}

// mutated is a store with the mistake in its scripts.
func mutated(t *testing.T, rdb redis.UniversalClient, m mutant) *Store {
	t.Helper()
	s := openStore(t, rdb, 1)
	parts := map[string]string{}
	for _, name := range []string{"state", "arm", "claim", "complete", "release", "refilled"} {
		parts[name] = luaFile(name)
	}
	if m.script == begins {
		rdb.AddHook(mistaken{m.old, m.new})
		return s
	}
	if n := strings.Count(parts[m.script], m.old); n != 1 {
		t.Fatalf("%q stands %d times in %s.lua, want once", m.old, n, m.script)
	}
	parts[m.script] = strings.Replace(parts[m.script], m.old, m.new, 1)
	for name, target := range map[string]*script{
		"arm": &s.scripts.arm, "claim": &s.scripts.claim, "complete": &s.scripts.complete, "release": &s.scripts.release, "refilled": &s.scripts.refilled,
	} {
		*target = newScript(name, parts["state"]+parts[name])
		// A mistake that does not even compile would prove nothing about the tests.
		if err := rdb.ScriptLoad(t.Context(), target.source).Err(); err != nil {
			t.Fatalf("%s.lua with the mistake: %v", name, err)
		}
	}
	return s
}

// foundByModel plays the same histories in every run, so that this test never depends on luck.
func foundByModel(ctx context.Context, rdb redis.UniversalClient, s *Store) error {
	const seeds = 400
	for seed := range seeds {
		if err := play(ctx, rdb, s, histories.Example(seed)); err != nil {
			return fmt.Errorf("history %d: %w", seed, err)
		}
	}
	return nil
}

func foundByTable(ctx context.Context, rdb redis.UniversalClient, s *Store) error {
	for _, c := range scriptCases() {
		diff, err := c.run(ctx, rdb, s)
		if err != nil {
			return err
		}
		if diff != "" {
			return fmt.Errorf("%s:\n%s", c.name, diff)
		}
	}
	for _, c := range argumentCases(s) {
		if r := s.run(ctx, c.script, []call{{args: c.args}})[0]; r.err == nil {
			return fmt.Errorf("%s: no error", c.name)
		}
	}
	return nil
}

func TestEveryMistakeInAScriptIsFound(t *testing.T) {
	t.Parallel()
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			rdb := redistest.Open(t)
			s := mutated(t, rdb, m)
			search := foundByTable
			if m.byModel {
				search = foundByModel
			}
			if err := search(t.Context(), rdb, s); err == nil {
				t.Errorf("nothing notices that %s.lua has %q instead of %q", m.script, m.new, m.old)
			} else if testing.Verbose() {
				t.Log(err)
			}
		})
	}
}

func TestTheSearchForMistakesFindsNoneInTheScriptsThemselves(t *testing.T) {
	t.Parallel()
	rdb := redistest.Open(t)
	s := openStore(t, rdb, 1)
	if err := foundByModel(t.Context(), rdb, s); err != nil {
		t.Errorf("by model: %v", err)
	}
	if err := foundByTable(t.Context(), rdb, s); err != nil {
		t.Errorf("by table: %v", err)
	}
}
