-- claim.lua: lease the windows that are due, oldest first.
--
-- A claim takes what the window holds: position, first, due, number of events. A window whose lease has ended is due; its
-- claim takes what the lost one had taken as well, with the older first and due.
-- Removed on the way: windows that have cooled down, and members of the schedule without readable state (counted).
--
-- KEYS     see state.lua
-- ARGV     now_ms, shard, limit, token, lease_ms
-- Returns  emptied, now, ms until the earliest, number of orphans, then for each window key, epoch, seq, first_ms, due_ms,
--          number of events, traces or "-"
-- Complexity  O(limit * log(windows of the shard))

local now, limit, token, lease = clock(ARGV[1]), whole(ARGV[3]), ARGV[4], whole(ARGV[5])
if limit == 0 or lease == 0 or not string.find(token, '^%w+$') then
  error('claim needs a limit, a token and a lease', 0)
end

local keys = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', digits(now), 'LIMIT', 0, limit)
local windows = load_windows(keys)
local orphans, taken = 0, {}
for _, key in ipairs(keys) do
  local w = windows[key]
  if not w then
    orphans = orphans + 1
  elseif w.first == 0 and not w.claim then
    windows[key] = false -- has cooled down
  else
    local claim = { token = token, epoch = w.epoch, seq = w.seq, first = w.first, due = w.due, n = w.n, trace = w.trace }
    local lost = w.claim
    if lost then
      claim.first, claim.due, claim.n = lost.first, lost.due, lost.n + w.n
      claim.trace = join_traces(lost.trace, claim.trace)
    end
    if w.cool < 0 then
      w.cool = now - w.cool -- the urgent event is on its way: the cooling begins
    end
    w.first, w.due, w.n, w.trace = 0, 0, 0, '-'
    w.claim, w.held = claim, now + lease
    for _, value in ipairs({ key, claim.epoch, claim.seq, claim.first, claim.due, claim.n, claim.trace }) do
      taken[#taken + 1] = value
    end
  end
end
save_windows(windows, keys, now)

local answer = reply(now, earliest())
answer[#answer + 1] = orphans
for _, value in ipairs(taken) do
  answer[#answer + 1] = value
end
return answer
