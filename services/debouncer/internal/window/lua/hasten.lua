-- hasten.lua: make windows due now, because an operator says so.
--
-- The events that no claim has taken become due, and a pause after a failed flush ends. A lease is left alone: what came
-- after its claim is due as soon as it is completed. Events that arrive before the next claim do not put the window off:
-- it is marked as one with an urgent event (cool < 0) with the shortest cool-down, 1 ms, or with what is left of the one
-- that runs.
-- A window that has lost its place in the schedule gets it back.
--
-- KEYS     see state.lua
-- ARGV     now_ms, shard, then keys
-- Returns  emptied, now, ms until the earliest, then for each key 0 no window, 1 can be claimed now, 2 due after its claim,
--          3 claimed with nothing newer, 4 without events
-- Complexity  O(keys * log(windows of the shard))

local now = clock(ARGV[1])
local keys = {}
for i = 3, #ARGV do
  keys[#keys + 1] = ARGV[i]
end

local windows = load_windows(keys)
local touched = {}

local function hasten(key)
  local w = windows[key]
  if not w then
    return 0
  end
  touched[#touched + 1] = key
  local leased = w.claim and w.held > now
  if w.first == 0 then
    return leased and 3 or w.claim and 1 or 4
  end
  w.due = math.min(w.due, now)
  if w.cool >= 0 then
    w.cool = w.cool > now and now - w.cool or -1
  end
  if not w.claim then
    w.held = 0
  end
  return leased and 2 or 1
end

local results = {}
for i, key in ipairs(keys) do
  results[i] = hasten(key)
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
