-- arm.lua: let windows hold newer positions, and schedule them.
--
-- A position that the window holds already changes nothing. Otherwise the window holds it, and
--   first = the arrival of the first event that no claim has taken
--   due   = min(now + quiet, first + max_wait)
-- While a lease or a pause after a failed flush runs, only the stored due changes and the score stays at its end.
-- An urgent event is due at once, unless the window cools down from an urgent flush; then it counts like any other, and
-- every event prolongs the cooling.
--
-- KEYS     see state.lua
-- ARGV     now_ms, shard, then 7 for each event: key, epoch, seq, quiet_ms, max_wait_ms, urgent (0 or 1), trace or "-"
-- Returns  emptied, now, ms until the earliest, then for each event 0 unchanged, 1 opened, 2 extended; with a trace that
--          is not the window's first, "2 <first trace>" for extended
-- Complexity  O(events * log(windows of the shard))

local now = clock(ARGV[1])
if (#ARGV - 2) % 7 ~= 0 then
  error('arm takes 7 arguments for each event', 0)
end
local events, keys = {}, {}
for i = 3, #ARGV, 7 do
  if ARGV[i + 6] ~= '-' and not string.find(ARGV[i + 6], '^%S+$') then
    error('trace is empty or has blanks', 0)
  end
  keys[#keys + 1] = ARGV[i]
  events[#events + 1] = {
    key = ARGV[i], epoch = whole(ARGV[i + 1]), seq = whole(ARGV[i + 2]), quiet = whole(ARGV[i + 3]),
    max_wait = whole(ARGV[i + 4]), urgent = ARGV[i + 5] == '1', trace = ARGV[i + 6],
  }
end

local windows = load_windows(keys)
local touched = {}

local function arm(event)
  local w = windows[event.key]
  if w and not is_later(event.epoch, event.seq, w) then
    return 0
  end
  if not w then
    w = { first = 0, due = 0, n = 0, cool = 0, trace = '-', held = 0 }
    windows[event.key] = w
  end
  local result = 2
  if w.first == 0 then
    result = 1
    w.first = now
  end
  w.epoch, w.seq, w.n = event.epoch, event.seq, w.n + 1
  w.trace = join_traces(w.trace, event.trace)
  local due = math.min(now + event.quiet, w.first + event.max_wait)
  if w.cool < 0 then
    due = math.min(due, w.due) -- an urgent event waits to be claimed: nothing puts it off
  elseif w.cool > now then
    w.cool = now + event.quiet
  elseif event.urgent then
    due = math.min(now, due)
    w.cool = 0 - event.quiet
  else
    w.cool = 0
  end
  w.due = due
  if not w.claim and w.held <= now then
    w.held = 0
  end
  touched[#touched + 1] = event.key
  if event.trace ~= '-' and result == 2 then
    local first = string.sub(w.trace, 1, TRACE)
    if first ~= event.trace then
      return '2 ' .. first
    end
  end
  return result
end

local results = {}
for i, event in ipairs(events) do
  results[i] = arm(event)
end
local before = earliest()
save_windows(windows, touched, now)
local after = earliest()
wake(before, after, now)

local answer = reply(now, after)
for _, result in ipairs(results) do
  answer[#answer + 1] = result
end
return answer
