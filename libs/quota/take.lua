-- Takes one of the slots of a target. KEYS: slots, replicas, hold. ARGV: token, lease in ms, slots in all (0: no limit),
-- this replica, how long a replica counts in ms. Returns: taken (1 or 0), how long nobody may take in ms, replicas.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local lease, slots, presence = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[5])
redis.call('ZADD', KEYS[2], now + presence, ARGV[4])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
redis.call('PEXPIRE', KEYS[2], presence)
local replicas = redis.call('ZCARD', KEYS[2])
local held = redis.call('PTTL', KEYS[3])
if held > 0 then
  return {0, held, replicas}
end
if slots > 0 then
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
  if redis.call('ZCARD', KEYS[1]) >= slots then
    return {0, 0, replicas}
  end
  redis.call('ZADD', KEYS[1], now + lease, ARGV[1])
  redis.call('PEXPIRE', KEYS[1], lease)
end
return {1, 0, replicas}
