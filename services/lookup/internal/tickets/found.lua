-- Takes back the count of a search that found somebody. KEYS: the ticket's counter. Returns what is left of it. O(1).
local count = tonumber(redis.call('GET', KEYS[1]) or '0')
if count <= 1 then
  redis.call('DEL', KEYS[1])
  return 0
end
return redis.call('DECR', KEYS[1])
