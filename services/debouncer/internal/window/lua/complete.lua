-- complete.lua: end the claims of windows whose flush has been acknowledged.
--
-- Another token, another claimed position or no window: the claim was lost, and nothing changes. Nothing newer: the window
-- goes, or stays without events until it has cooled down. Newer: the lease ends, and the window is due by its own rule.
--
-- KEYS     see state.lua
-- ARGV     now_ms, shard, then 4 for each window: key, epoch, seq, token
-- Returns  emptied, now, ms until the earliest, then for each window 0 lost, 1 done, 2 rearmed
-- Complexity  O(windows given * log(windows of the shard))

local now = clock(ARGV[1])
if (#ARGV - 2) % 4 ~= 0 then
  error('complete takes 4 arguments for each window', 0)
end
local claims, keys = {}, {}
for i = 3, #ARGV, 4 do
  keys[#keys + 1] = ARGV[i]
  claims[#claims + 1] = { key = ARGV[i], epoch = whole(ARGV[i + 1]), seq = whole(ARGV[i + 2]), token = ARGV[i + 3] }
end

local windows = load_windows(keys)
local touched = {}

local function complete(given)
  local w = windows[given.key]
  local claim = w and w.claim
  if not claim or claim.token ~= given.token or claim.epoch ~= given.epoch or claim.seq ~= given.seq then
    return 0
  end
  touched[#touched + 1] = given.key
  w.claim, w.held = nil, 0
  if is_later(w.epoch, w.seq, claim) then
    return 2
  end
  if w.cool <= now then
    windows[given.key] = false
  end
  return 1
end

local results = {}
for i, claim in ipairs(claims) do
  results[i] = complete(claim)
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
