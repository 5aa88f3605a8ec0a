-- Counts a search of a ticket as one that found nobody, unless there were too many. KEYS: the ticket's counter. ARGV: most
-- searches, how long they count from the first one on in ms. Returns 1 if it was counted, 0 if there were too many. O(1).
local count = tonumber(redis.call('GET', KEYS[1]) or '0')
if count >= tonumber(ARGV[1]) then
  return 0
end
redis.call('INCR', KEYS[1])
if count == 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 1
