package window

import (
	"context"
	"crypto/sha1" //nolint:gosec // the name that Redis gives a script, not a protection
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed lua/*.lua
var lua embed.FS

// script is one Lua script with what all of them share in front.
type script struct {
	name, source, sha string
}

// scripts are all state changes of the package, and look, which changes nothing.
type scripts struct {
	arm, claim, complete, release, refilled, look, hasten, drop script
}

func (s scripts) all() []script {
	return []script{s.arm, s.claim, s.complete, s.release, s.refilled, s.look, s.hasten, s.drop}
}

// embedded reads the scripts of this build.
func embedded() scripts {
	read := func(name string) script { return newScript(name, luaFile("state")+luaFile(name)) }
	return scripts{
		arm: read("arm"), claim: read("claim"), complete: read("complete"), release: read("release"), refilled: read("refilled"),
		look: read("look"), hasten: read("hasten"), drop: read("drop"),
	}
}

func luaFile(name string) string {
	text, err := lua.ReadFile("lua/" + name + ".lua")
	if err != nil {
		panic(err) // the file is part of the binary
	}
	return string(text)
}

func newScript(name, source string) script {
	sum := sha1.Sum([]byte(source)) //nolint:gosec // see the import
	return script{name: name, source: source, sha: hex.EncodeToString(sum[:])}
}

// errReply is the error of an answer that no script of this package gives.
var errReply = errors.New("unexpected answer of the script")

// call is one script call for one shard.
type call struct {
	shard int
	args  []any // after now_ms and shard
	items []int // the caller's indices of what args holds, in order
}

// reply is the answer to one call.
type reply struct {
	err     error
	emptied bool
	now     time.Time
	next    time.Duration // until the earliest window of the shard; negative without one
	rest    []any
}

// run makes all calls in one round trip, and those whose script Redis has forgotten (it was restarted) in a second one.
// The answers are in the order of the calls, each with its own error.
func (s *Store) run(ctx context.Context, sc script, calls []call) []reply {
	replies := make([]reply, len(calls))
	forgotten := s.exec(ctx, calls, replies, every(len(calls)), func(pipe redis.Pipeliner, keys []string, args []any) *redis.Cmd {
		return pipe.EvalSha(ctx, sc.sha, keys, args...)
	})
	// EVAL loads the script as well, on the very node that missed it.
	s.exec(ctx, calls, replies, forgotten, func(pipe redis.Pipeliner, keys []string, args []any) *redis.Cmd {
		return pipe.Eval(ctx, sc.source, keys, args...)
	})
	for i, c := range calls {
		if err := replies[i].err; err != nil {
			replies[i].err = fmt.Errorf("%s in shard %d: %w", sc.name, c.shard, err)
		}
	}
	return replies
}

// exec sends the chosen calls and returns those that Redis did not know the script of.
func (s *Store) exec(
	ctx context.Context, calls []call, replies []reply, chosen []int,
	send func(redis.Pipeliner, []string, []any) *redis.Cmd,
) (forgotten []int) {
	if len(chosen) == 0 {
		return nil
	}
	now := s.now()
	pipe := s.rdb.Pipeline()
	cmds := make([]*redis.Cmd, len(chosen))
	for i, c := range chosen {
		shard := calls[c].shard
		args := append([]any{now, shard}, calls[c].args...)
		cmds[i] = send(pipe, keysOf(shard), args)
	}
	// Each command has its own error; the one of Exec is only the first of them.
	_, _ = pipe.Exec(ctx)
	for i, c := range chosen {
		if redis.HasErrorPrefix(cmds[i].Err(), "NOSCRIPT") {
			forgotten = append(forgotten, c)
		}
		replies[c] = parse(cmds[i])
	}
	return forgotten
}

// parse reads what every answer begins with.
func parse(cmd *redis.Cmd) reply {
	values, err := cmd.Slice()
	if err != nil {
		return reply{err: err}
	}
	var head [3]int64
	if len(values) < len(head) {
		return reply{err: errReply}
	}
	for i := range head {
		n, ok := values[i].(int64)
		if !ok {
			return reply{err: errReply}
		}
		head[i] = n
	}
	return reply{
		emptied: head[0] != 0,
		now:     time.UnixMilli(head[1]),
		next:    time.Duration(head[2]) * time.Millisecond,
		rest:    values[3:],
	}
}

// codes reads the rest of an answer as one number below limit for each of n items.
func (r reply) codes(n, limit int) ([]int, error) {
	if len(r.rest) != n {
		return nil, errReply
	}
	codes := make([]int, n)
	for i, value := range r.rest {
		code, ok := value.(int64)
		if !ok || code < 0 || code >= int64(limit) {
			return nil, errReply
		}
		codes[i] = int(code)
	}
	return codes, nil
}

// hint is what the answer says about the shard's next window.
func (r reply) hint(shard int) (Hint, bool) {
	return Hint{Shard: shard, In: r.next}, r.next >= 0
}

func every(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}
