package window

import "time"

// claimCases are the rules of claim.lua, complete.lua and release.lua.
func claimCases() []scriptCase {
	open := inRedis{map[string]string{"A": "1 7 1000 10 1"}, map[string]int64{"A": 1010}}
	done := Window{Key: keyA, Position: at(1, 7), token: "TOK"}
	both := inRedis{
		map[string]string{"A": "1 7 1000 10 1", "B": "1 8 990 15 1"},
		map[string]int64{"A": 1010, "B": 1005},
	}
	return []scriptCase{
		{
			"claim one ms before the due takes nothing", 1009, open, claim(5, time.Second),
			Claimed{Now: ms(1009), Next: time.Millisecond, HasNext: true},
			same(open), nil,
		},
		{
			"claim at the due takes everything that the window holds", 1010,
			inRedis{map[string]string{"A": "1 7 1000 10 3 0 " + packed2}, map[string]int64{"A": 1010}},
			claim(5, time.Second),
			Claimed{
				Windows: []Window{{Key: keyA, Position: at(1, 7), First: ms(1000), Due: ms(1010), Collapsed: 3, TraceParents: []string{sampled2}}},
				Now:     ms(1010), Next: time.Second, HasNext: true,
			},
			inRedis{map[string]string{"A": "1 7 0 0 0 0 - 2010 TOKEN 1 7 1000 10 3 " + packed2}, map[string]int64{"A": 2010}},
			nil,
		},
		{
			"claim keeps to its limit, takes the oldest first, and says when the next is due", 1008, both, claim(1, time.Second),
			Claimed{
				Windows: []Window{{Key: keyB, Position: at(1, 8), First: ms(990), Due: ms(1005), Collapsed: 1}},
				Now:     ms(1008), Next: 2 * time.Millisecond, HasNext: true,
			},
			inRedis{
				map[string]string{"A": "1 7 1000 10 1", "B": "1 8 0 0 0 0 - 2008 TOKEN 1 8 990 15 1 -"},
				map[string]int64{"A": 1010, "B": 2008},
			},
			nil,
		},
		{
			"claim that leaves due windows behind says so", 1010, both, claim(1, time.Second),
			Claimed{
				Windows: []Window{{Key: keyB, Position: at(1, 8), First: ms(990), Due: ms(1005), Collapsed: 1}},
				Now:     ms(1010), HasNext: true,
			},
			inRedis{
				map[string]string{"A": "1 7 1000 10 1", "B": "1 8 0 0 0 0 - 2010 TOKEN 1 8 990 15 1 -"},
				map[string]int64{"A": 1010, "B": 2010},
			},
			nil,
		},
		{
			"claim of two returns the oldest first", 1010, both, claim(2, time.Millisecond),
			Claimed{
				Windows: []Window{
					{Key: keyB, Position: at(1, 8), First: ms(990), Due: ms(1005), Collapsed: 1},
					{Key: keyA, Position: at(1, 7), First: ms(1000), Due: ms(1010), Collapsed: 1},
				},
				Now: ms(1010), Next: time.Millisecond, HasNext: true,
			},
			inRedis{
				map[string]string{"A": "1 7 0 0 0 0 - 1011 TOKEN 1 7 1000 10 1 -", "B": "1 8 0 0 0 0 - 1011 TOKEN 1 8 990 15 1 -"},
				map[string]int64{"A": 1011, "B": 1011},
			},
			nil,
		},
		{
			"claim respects a lease to its last ms", 2499, leasedNewer, claim(5, time.Second),
			Claimed{Now: ms(2499), Next: time.Millisecond, HasNext: true},
			same(leasedNewer), nil,
		},
		{
			"claim at the end of a lease takes everything, with the older first and due", 2500, leasedNewer, claim(5, time.Second),
			Claimed{
				Windows: []Window{{Key: keyA, Position: at(1, 9), First: ms(1000), Due: ms(1500), Collapsed: 3}},
				Now:     ms(2500), Next: time.Second, HasNext: true,
			},
			inRedis{map[string]string{"A": "1 9 0 0 0 0 - 3500 TOKEN 1 9 1000 500 3 -"}, map[string]int64{"A": 3500}},
			nil,
		},
		{
			"claim of a lost claim keeps its trace when nothing newer was sampled", 2500,
			inRedis{map[string]string{"A": "1 7 0 0 0 0 - 2500 TOK 1 7 1000 500 2 " + packed}, map[string]int64{"A": 2500}},
			claim(5, time.Second),
			Claimed{
				Windows: []Window{{Key: keyA, Position: at(1, 7), First: ms(1000), Due: ms(1500), Collapsed: 2, TraceParents: []string{sampled}}},
				Now:     ms(2500), Next: time.Second, HasNext: true,
			},
			inRedis{map[string]string{"A": "1 7 0 0 0 0 - 3500 TOKEN 1 7 1000 500 2 " + packed}, map[string]int64{"A": 3500}},
			nil,
		},
		{
			"claim removes and counts members without readable state", 1000,
			inRedis{
				map[string]string{"B": "1 2 x", "C": "1 2 3 4 5 6 - 7 TOK"},
				map[string]int64{"A": 1, "B": 2, "C": 3},
			},
			claim(5, time.Second),
			Claimed{Now: ms(1000), Orphans: 3},
			inRedis{},
			nil,
		},
		{
			"claim discards a window whose key is none", 1000,
			inRedis{map[string]string{"=zz": "1 7 900 10 1"}, map[string]int64{"=zz": 910}},
			claim(5, time.Second),
			Claimed{Now: ms(1000), Next: time.Second, HasNext: true, Orphans: 1},
			inRedis{},
			nil,
		},
		{"claim of an empty shard", 1000, inRedis{}, claim(5, time.Second), Claimed{Now: ms(1000)}, inRedis{}, nil},
		// complete
		{
			"complete with nothing newer removes the window", 1600, leased, complete(done),
			summary{[]Completion{Done}, nil},
			inRedis{},
			nil,
		},
		{
			"complete with newer events makes it due by its own rule", 1600, leasedNewer, complete(done),
			summary{[]Completion{Rearmed}, next(100)},
			inRedis{map[string]string{"A": "1 9 1600 100 1"}, map[string]int64{"A": 1700}},
			[]string{"0 100"},
		},
		{
			"complete with newer events that are overdue", 1900, leasedNewer, complete(done),
			summary{[]Completion{Rearmed}, next(0)},
			inRedis{map[string]string{"A": "1 9 1600 100 1"}, map[string]int64{"A": 1700}},
			[]string{"0 0"},
		},
		{
			"complete with a newer epoch of a lower sequence rearms", 1600,
			inRedis{map[string]string{"A": "2 1 1600 100 1 0 - 2500 TOK 1 7 1000 500 2 -"}, map[string]int64{"A": 2500}},
			complete(done),
			summary{[]Completion{Rearmed}, next(100)},
			inRedis{map[string]string{"A": "2 1 1600 100 1"}, map[string]int64{"A": 1700}},
			[]string{"0 100"},
		},
		{
			"complete after the lease, but before anybody else's claim", 9000, leased, complete(done),
			summary{[]Completion{Done}, nil},
			inRedis{},
			nil,
		},
		{
			"complete with another token is lost", 1600, leased, complete(Window{Key: keyA, Position: at(1, 7), token: "OTHER"}),
			summary{[]Completion{Lost}, next(900)},
			same(leased), nil,
		},
		{
			"complete of another position is lost", 1600, leasedNewer, complete(Window{Key: keyA, Position: at(1, 9), token: "TOK"}),
			summary{[]Completion{Lost}, next(900)},
			same(leasedNewer), nil,
		},
		{
			"complete of a window that is gone is lost", 1600,
			inRedis{},
			complete(done),
			summary{[]Completion{Lost}, nil},
			inRedis{},
			nil,
		},
		{
			"complete of a window that nobody claimed is lost", 1005, open, complete(done),
			summary{[]Completion{Lost}, next(5)},
			same(open), nil,
		},
		{
			"complete of the same window twice in a batch is lost the second time", 1600, leased, complete(done, done),
			summary{[]Completion{Done, Lost}, nil},
			inRedis{},
			nil,
		},
		// release
		{
			"release gives everything back after a pause", 1600, leased, release(100*time.Millisecond, done),
			summary{[]Completion{Done}, next(100)},
			inRedis{map[string]string{"A": "1 7 1000 500 2 0 - 1700"}, map[string]int64{"A": 1700}},
			[]string{"0 100"},
		},
		{
			"release merges what came meanwhile, with the older first", 1650, leasedNewer, release(100*time.Millisecond, done),
			summary{[]Completion{Done}, next(100)},
			inRedis{map[string]string{"A": "1 9 1000 500 3 0 - 1750"}, map[string]int64{"A": 1750}},
			[]string{"0 100"},
		},
		{
			"release without a pause makes it claimable at once", 1600, leased, release(0, done),
			summary{[]Completion{Done}, next(0)},
			inRedis{map[string]string{"A": "1 7 1000 500 2"}, map[string]int64{"A": 1500}},
			[]string{"0 0"},
		},
		{
			"release keeps the traces, the older ones first", 1600,
			inRedis{map[string]string{"A": "1 9 1600 9 1 0 " + packed2 + " 2500 TOK 1 7 1000 500 2 " + packed}, map[string]int64{"A": 2500}},
			release(0, done),
			summary{[]Completion{Done}, next(0)},
			inRedis{map[string]string{"A": "1 9 1000 500 3 0 " + packed + packed2}, map[string]int64{"A": 1500}},
			[]string{"0 0"},
		},
		{
			"release gives the trace back", 1600,
			inRedis{map[string]string{"A": "1 7 0 0 0 0 - 2500 TOK 1 7 1000 500 2 " + packed}, map[string]int64{"A": 2500}},
			release(0, done),
			summary{[]Completion{Done}, next(0)},
			inRedis{map[string]string{"A": "1 7 1000 500 2 0 " + packed}, map[string]int64{"A": 1500}},
			[]string{"0 0"},
		},
		{
			"release with another token is lost", 1600, leased, release(0, Window{Key: keyA, Position: at(1, 7), token: "OTHER"}),
			summary{[]Completion{Lost}, next(900)},
			same(leased), nil,
		},
		{
			"release of a window that is gone is lost", 1600, inRedis{}, release(0, done), summary{[]Completion{Lost}, nil}, inRedis{}, nil,
		},
		{
			"claim after the pause of a release takes everything", 1700,
			inRedis{map[string]string{"A": "1 7 1000 500 2 0 - 1700"}, map[string]int64{"A": 1700}},
			claim(1, time.Second),
			Claimed{
				Windows: []Window{{Key: keyA, Position: at(1, 7), First: ms(1000), Due: ms(1500), Collapsed: 2}},
				Now:     ms(1700), Next: time.Second, HasNext: true,
			},
			inRedis{map[string]string{"A": "1 7 0 0 0 0 - 2700 TOKEN 1 7 1000 500 2 -"}, map[string]int64{"A": 2700}},
			nil,
		},
	}
}
