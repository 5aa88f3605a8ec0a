-- release.lua: give claims back whose flush has failed.
--
-- The window holds again what the claim had taken, with the older first and due, and can be claimed after a pause; events
-- that arrive meanwhile do not shorten the pause. Another token or no window: the claim was lost, and nothing changes.
--
-- KEYS     see state.lua
-- ARGV     now_ms, shard, delay_ms, then 2 for each window: key, token
-- Returns  emptied, now, ms until the earliest, then for each window 0 lost, 1 released
-- Complexity  O(windows given * log(windows of the shard))

local now, delay = clock(ARGV[1]), whole(ARGV[3])
if (#ARGV - 3) % 2 ~= 0 then
  error('release takes 2 arguments for each window', 0)
end
local keys, tokens = {}, {}
for i = 4, #ARGV, 2 do
  keys[#keys + 1] = ARGV[i]
  tokens[#tokens + 1] = ARGV[i + 1]
end

local windows = load_windows(keys)
local touched, results = {}, {}
for i, key in ipairs(keys) do
  local w = windows[key]
  local claim = w and w.claim
  results[i] = 0
  if claim and claim.token == tokens[i] then
    results[i] = 1
    touched[#touched + 1] = key
    w.first, w.due, w.n = claim.first, claim.due, claim.n + w.n
    w.trace = join_traces(claim.trace, w.trace)
    w.claim, w.held = nil, delay > 0 and now + delay or 0
  end
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
