-- look.lua: read windows, with their places in the schedule, the clock and the marker, as one snapshot. Nothing changes.
--
-- KEYS     see state.lua
-- ARGV     now_ms, shard, then keys
-- Returns  emptied, now, ms until the earliest, then for each key its state and its score, each '' without one
-- Complexity  O(keys)

local answer = reply(clock(ARGV[1]), earliest())
for i = 3, #ARGV do
  answer[#answer + 1] = redis.call('HGET', KEYS[1], ARGV[i]) or ''
  answer[#answer + 1] = redis.call('ZSCORE', KEYS[2], ARGV[i]) or ''
end
return answer
