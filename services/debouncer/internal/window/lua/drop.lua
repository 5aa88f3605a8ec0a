-- drop.lua: remove windows all of whose events are settled.
--
-- A window that holds a newer position than the settled one stays as it is, and so does one with a lease that runs. A claim
-- whose lease has ended goes with the window: what it took is settled too. A cool-down that runs goes on without events.
--
-- KEYS     see state.lua
-- ARGV     now_ms, shard, then 3 for each window: key, settled epoch, settled seq
-- Returns  emptied, now, ms until the earliest, then for each window 0 none, 1 removed, 2 holds newer events, 3 claimed
-- Complexity  O(windows given * log(windows of the shard))

local now = clock(ARGV[1])
if (#ARGV - 2) % 3 ~= 0 then
  error('drop takes 3 arguments for each window', 0)
end
local settled, keys = {}, {}
for i = 3, #ARGV, 3 do
  keys[#keys + 1] = ARGV[i]
  settled[#settled + 1] = { key = ARGV[i], epoch = whole(ARGV[i + 1]), seq = whole(ARGV[i + 2]) }
end

local windows = load_windows(keys)
local touched = {}

local function drop(upto)
  local w = windows[upto.key]
  if not w then
    return 0
  end
  if is_later(w.epoch, w.seq, upto) then
    return 2
  end
  if w.claim and w.held > now then
    return 3
  end
  touched[#touched + 1] = upto.key
  if w.cool > now then
    w.first, w.due, w.n, w.trace, w.held, w.claim = 0, 0, 0, '-', 0, nil
  else
    windows[upto.key] = false
  end
  return 1
end

local results = {}
for i, upto in ipairs(settled) do
  results[i] = drop(upto)
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
