package window

import (
	"strings"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// armCases are the rules of arm.lua, and of urgent events.
func armCases() []scriptCase {
	const q, m = 10 * time.Millisecond, 25 * time.Millisecond
	a := func(seq uint64) Arm { return Arm{Key: keyA, Position: at(1, seq), Quiet: q, MaxWait: m} }
	open := inRedis{map[string]string{"A": "1 7 1000 10 1"}, map[string]int64{"A": 1010}}
	done := Window{Key: keyA, Position: at(1, 7), token: "TOK"}
	both := inRedis{
		map[string]string{"A": "1 7 1000 10 1", "B": "1 8 990 15 1"},
		map[string]int64{"A": 1010, "B": 1005},
	}
	urgent := func(seq uint64) Arm { u := a(seq); u.Urgent = true; return u }
	return []scriptCase{
		{
			"arm opens a window due after the quiet period", 1000,
			inRedis{},
			arm(a(7)),
			summary{[]Outcome{Opened}, next(10)},
			open,
			[]string{"0 10"},
		},
		{
			"arm extends by the quiet period and keeps the first arrival", 1009, open, arm(a(8)),
			summary{[]Outcome{Extended}, next(10)},
			inRedis{map[string]string{"A": "1 8 1000 19 2"}, map[string]int64{"A": 1019}},
			nil,
		},
		{
			"arm at the ms before the max wait would be exceeded is due by the quiet period", 1014, open, arm(a(8)),
			summary{[]Outcome{Extended}, next(10)},
			inRedis{map[string]string{"A": "1 8 1000 24 2"}, map[string]int64{"A": 1024}},
			nil,
		},
		{
			"arm at the ms at which both rules agree", 1015, open, arm(a(8)),
			summary{[]Outcome{Extended}, next(10)},
			inRedis{map[string]string{"A": "1 8 1000 25 2"}, map[string]int64{"A": 1025}},
			nil,
		},
		{
			"arm one ms later is due by the max wait", 1016, open, arm(a(8)),
			summary{[]Outcome{Extended}, next(9)},
			inRedis{map[string]string{"A": "1 8 1000 25 2"}, map[string]int64{"A": 1025}},
			nil,
		},
		{
			"arm after the max wait is due at once, not later", 1100, open, arm(a(8)),
			summary{[]Outcome{Extended}, next(0)},
			inRedis{map[string]string{"A": "1 8 1000 25 2"}, map[string]int64{"A": 1025}},
			nil,
		},
		{
			"arm of the position held changes nothing", 1005, open, arm(a(7)),
			summary{[]Outcome{Unchanged}, next(5)},
			same(open), nil,
		},
		{
			"arm of an older position changes nothing", 1005, open, arm(a(6)),
			summary{[]Outcome{Unchanged}, next(5)},
			same(open), nil,
		},
		{
			"arm of an older epoch changes nothing however high its sequence", 1005, open,
			arm(Arm{Key: keyA, Position: at(0, 99), Quiet: q, MaxWait: m}),
			summary{[]Outcome{Unchanged}, next(5)},
			same(open), nil,
		},
		{
			"arm of a newer epoch is newer however low its sequence", 1005, open,
			arm(Arm{Key: keyA, Position: at(2, 1), Quiet: q, MaxWait: m}),
			summary{[]Outcome{Extended}, next(10)},
			inRedis{map[string]string{"A": "2 1 1000 15 2"}, map[string]int64{"A": 1015}},
			nil,
		},
		{
			"arm of many events keeps their order, and touches each window once", 1000,
			inRedis{},
			arm(a(7), a(9), a(8), Arm{Key: keyB, Position: at(1, 3), Quiet: 5 * time.Millisecond, MaxWait: m}),
			summary{[]Outcome{Opened, Extended, Unchanged, Opened}, next(5)},
			inRedis{map[string]string{"A": "1 9 1000 10 2", "B": "1 3 1000 5 1"}, map[string]int64{"A": 1010, "B": 1005}},
			[]string{"0 5"},
		},
		{
			"arm with no quiet period is due at once", 1000,
			inRedis{},
			arm(Arm{Key: keyA, Position: at(1, 7), MaxWait: m}),
			summary{[]Outcome{Opened}, next(0)},
			inRedis{map[string]string{"A": "1 7 1000 0 1"}, map[string]int64{"A": 1000}},
			[]string{"0 0"},
		},
		{
			"arm rounds parts of a ms up", 1000,
			inRedis{},
			arm(Arm{Key: keyA, Position: at(1, 7), Quiet: time.Nanosecond, MaxWait: time.Millisecond + 1}),
			summary{[]Outcome{Opened}, next(1)},
			inRedis{map[string]string{"A": "1 7 1000 1 1"}, map[string]int64{"A": 1001}},
			[]string{"0 1"},
		},
		{
			"arm with the max wait below the quiet period is due by the max wait", 1000,
			inRedis{},
			arm(Arm{Key: keyA, Position: at(1, 7), Quiet: m, MaxWait: q}),
			summary{[]Outcome{Opened}, next(10)},
			open,
			[]string{"0 10"},
		},
		{
			"arm keeps 53 bits of a sequence and real times", 1795460706983,
			inRedis{},
			arm(Arm{Key: keyA, Position: at(1795460706, 1<<53-1), Quiet: time.Hour, MaxWait: 100 * 24 * time.Hour}),
			summary{[]Outcome{Opened}, next(3600000)},
			inRedis{
				map[string]string{"A": "1795460706 9007199254740991 1795460706983 3600000 1"},
				map[string]int64{"A": 1795464306983},
			},
			[]string{"0 3600000"},
		},
		{
			"arm tells neighbours of 53 bits apart", 1000,
			inRedis{map[string]string{"A": "1 9007199254740990 990 10 1"}, map[string]int64{"A": 1000}},
			arm(Arm{Key: keyA, Position: at(1, 1<<53-1), Quiet: q, MaxWait: m}),
			summary{[]Outcome{Extended}, next(10)},
			inRedis{map[string]string{"A": "1 9007199254740991 990 20 2"}, map[string]int64{"A": 1010}},
			nil,
		},
		{
			"arm keeps the traces of the sampled events", 1000,
			inRedis{map[string]string{"A": "1 7 1000 10 1 0 " + packed}, map[string]int64{"A": 1010}},
			arm(
				Arm{Key: keyA, Position: at(1, 8), Quiet: q, MaxWait: m, TraceParent: sampled2},
				Arm{Key: keyA, Position: at(1, 9), Quiet: q, MaxWait: m, TraceParent: unsampled},
			),
			summary{traced{[]Outcome{Extended, Extended}, map[int]string{0: sampled}}, next(10)},
			inRedis{map[string]string{"A": "1 9 1000 10 3 0 " + packed + packed2}, map[string]int64{"A": 1010}},
			nil,
		},
		{
			"arm keeps one trace for the events of one request", 1000,
			inRedis{map[string]string{"A": "1 7 1000 10 1 0 " + packed}, map[string]int64{"A": 1010}},
			arm(Arm{Key: keyA, Position: at(1, 8), Quiet: q, MaxWait: m, TraceParent: sampled}),
			summary{[]Outcome{Extended}, next(10)},
			inRedis{map[string]string{"A": "1 8 1000 10 2 0 " + packed}, map[string]int64{"A": 1010}},
			nil,
		},
		{
			"arm keeps the first trace and the newest seven", 1000,
			inRedis{map[string]string{"A": "1 7 1000 10 8 0 " + packed + packed2 + strings.Repeat("x", 6*traceSize)}, map[string]int64{"A": 1010}},
			arm(Arm{Key: keyA, Position: at(1, 8), Quiet: q, MaxWait: m, TraceParent: sampled2}),
			summary{traced{[]Outcome{Extended}, map[int]string{0: sampled}}, next(10)},
			inRedis{map[string]string{"A": "1 8 1000 10 9 0 " + packed + strings.Repeat("x", 6*traceSize) + packed2}, map[string]int64{"A": 1010}},
			nil,
		},
		{
			"arm drops the trace that an older version has kept", 1000,
			inRedis{map[string]string{"A": "1 7 1000 10 1 0 CvdlGRbNQ92ESOshHIAxnLeta3FpIDMxAQ"}, map[string]int64{"A": 1010}},
			arm(Arm{Key: keyA, Position: at(1, 8), Quiet: q, MaxWait: m, TraceParent: sampled2}),
			summary{[]Outcome{Extended}, next(10)},
			inRedis{map[string]string{"A": "1 8 1000 10 2 0 " + packed2}, map[string]int64{"A": 1010}},
			nil,
		},
		{
			"arm during a lease changes the stored due and leaves the score at its end", 1600, leased, arm(a(9)),
			summary{[]Outcome{Opened}, next(900)},
			inRedis{map[string]string{"A": "1 9 1600 10 1 0 - 2500 TOK 1 7 1000 500 2 -"}, map[string]int64{"A": 2500}},
			nil,
		},
		{
			"arm of a claimed position changes nothing", 1600, leased, arm(a(7)),
			summary{[]Outcome{Unchanged}, next(900)},
			same(leased), nil,
		},
		{
			"arm after a lease has ended does not put off what was lost", 2600, leased, arm(a(9)),
			summary{[]Outcome{Opened}, next(0)},
			inRedis{map[string]string{"A": "1 9 2600 10 1 0 - 2500 TOK 1 7 1000 500 2 -"}, map[string]int64{"A": 2500}},
			nil,
		},
		{
			"arm during the pause after a failed flush does not shorten it", 1600,
			inRedis{map[string]string{"A": "1 7 1000 500 2 0 - 1700"}, map[string]int64{"A": 1700}},
			arm(a(9)),
			summary{[]Outcome{Extended}, next(100)},
			inRedis{map[string]string{"A": "1 9 1000 25 3 0 - 1700"}, map[string]int64{"A": 1700}},
			nil,
		},
		{
			"arm after that pause is due by the rule, from the first arrival", 1701,
			inRedis{map[string]string{"A": "1 7 1000 500 2 0 - 1700"}, map[string]int64{"A": 1700}},
			arm(a(9)),
			summary{[]Outcome{Extended}, next(0)},
			inRedis{map[string]string{"A": "1 9 1000 25 3"}, map[string]int64{"A": 1025}},
			[]string{"0 0"},
		},
		{
			"arm wakes nobody for a window that is later than the earliest", 1000, both,
			arm(Arm{Key: key.Key{Source: "pc", Kind: key.Contract, ID: "C"}, Position: at(1, 7), Quiet: q, MaxWait: m}),
			summary{[]Outcome{Opened}, next(5)},
			inRedis{
				map[string]string{"A": "1 7 1000 10 1", "B": "1 8 990 15 1", "C": "1 7 1000 10 1"},
				map[string]int64{"A": 1010, "B": 1005, "C": 1010},
			},
			nil,
		},
		{
			"arm replaces a state that cannot be read", 1000,
			inRedis{map[string]string{"A": "what is this"}, map[string]int64{"A": 1}},
			arm(a(7)),
			summary{[]Outcome{Opened}, next(10)},
			open, nil,
		},
		// urgent
		{
			"urgent arm is due at once", 1000,
			inRedis{},
			arm(urgent(7)),
			summary{[]Outcome{Opened}, next(0)},
			inRedis{map[string]string{"A": "1 7 1000 0 1 -10 -"}, map[string]int64{"A": 1000}},
			[]string{"0 0"},
		},
		{
			"urgent arm makes an open window due at once", 1004, open, arm(urgent(8)),
			summary{[]Outcome{Extended}, next(0)},
			inRedis{map[string]string{"A": "1 8 1000 4 2 -10 -"}, map[string]int64{"A": 1004}},
			[]string{"0 0"},
		},
		{
			"arm does not put off an urgent event that waits", 1005,
			inRedis{map[string]string{"A": "1 7 1000 0 1 -10 -"}, map[string]int64{"A": 1000}},
			arm(a(8)),
			summary{[]Outcome{Extended}, next(0)},
			inRedis{map[string]string{"A": "1 8 1000 0 2 -10 -"}, map[string]int64{"A": 1000}},
			nil,
		},
		{
			"urgent arm while cooling down counts like any other and prolongs it", 1009,
			inRedis{map[string]string{"A": "1 7 0 0 0 1010 -"}, map[string]int64{"A": 1010}},
			arm(urgent(8)),
			summary{[]Outcome{Opened}, next(10)},
			inRedis{map[string]string{"A": "1 8 1009 10 1 1019 -"}, map[string]int64{"A": 1019}},
			nil,
		},
		{
			"urgent arm at the end of the cooling is due at once", 1010,
			inRedis{map[string]string{"A": "1 7 0 0 0 1010 -"}, map[string]int64{"A": 1010}},
			arm(urgent(8)),
			summary{[]Outcome{Opened}, next(0)},
			inRedis{map[string]string{"A": "1 8 1010 0 1 -10 -"}, map[string]int64{"A": 1010}},
			nil,
		},
		{
			"claim of an urgent window starts the cooling", 1003,
			inRedis{map[string]string{"A": "1 7 1000 0 1 -10 -"}, map[string]int64{"A": 1000}},
			claim(1, time.Second),
			Claimed{
				Windows: []Window{{Key: keyA, Position: at(1, 7), First: ms(1000), Due: ms(1000), Collapsed: 1}},
				Now:     ms(1003), Next: time.Second, HasNext: true,
			},
			inRedis{map[string]string{"A": "1 7 0 0 0 1013 - 2003 TOKEN 1 7 1000 0 1 -"}, map[string]int64{"A": 2003}},
			nil,
		},
		{
			"complete of an urgent window leaves it cooling", 1012,
			inRedis{map[string]string{"A": "1 7 0 0 0 1013 - 2003 TOK 1 7 1000 0 1 -"}, map[string]int64{"A": 2003}},
			complete(done),
			summary{[]Completion{Done}, next(1)},
			inRedis{map[string]string{"A": "1 7 0 0 0 1013 -"}, map[string]int64{"A": 1013}},
			[]string{"0 1"},
		},
		{
			"complete of an urgent window that has cooled down removes it", 1013,
			inRedis{map[string]string{"A": "1 7 0 0 0 1013 - 2003 TOK 1 7 1000 0 1 -"}, map[string]int64{"A": 2003}},
			complete(done),
			summary{[]Completion{Done}, nil},
			inRedis{},
			nil,
		},
		{
			"claim removes what has cooled down", 1013,
			inRedis{map[string]string{"A": "1 7 0 0 0 1013 -"}, map[string]int64{"A": 1013}},
			claim(1, time.Second),
			Claimed{Now: ms(1013)},
			inRedis{},
			nil,
		},
	}
}
