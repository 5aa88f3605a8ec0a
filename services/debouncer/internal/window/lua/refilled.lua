-- refilled.lua: note that the open keys of the log have been armed again.
--
-- Only if the marker is still the one that stood there when the arming began: another one, or none, means that the shard
-- was emptied in between.
--
-- KEYS     see state.lua; only the marker is touched
-- ARGV     now_ms and shard (both unused), the marker of the arming without its sign
-- Returns  1 noted (or noted already), 0 emptied again
-- Complexity  O(1)

local marker = redis.call('GET', KEYS[3])
if not marker or string.sub(marker, 2) ~= ARGV[3] then
  return 0
end
redis.call('SET', KEYS[3], '+' .. ARGV[3])
return 1
