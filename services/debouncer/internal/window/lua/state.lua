-- state.lua stands in front of every other script: the clock, the packed state of a window, and the schedule of a shard.
--
-- KEYS of every script, all with the hash tag {<shard>}
--   KEYS[1]  hash: field = key, value = state, packed as the package documentation describes
--   KEYS[2]  sorted set: member = key, score = ms from which the window can be claimed
--   KEYS[3]  epoch marker: begins with "+" once the open keys of the log have been armed again
-- ARGV of every script
--   ARGV[1]  now_ms; empty in production: the server's own clock
--   ARGV[2]  number of the shard, for the wake
--
-- A script that fails half-way is not rolled back. So every script reads and checks all of its arguments before its
-- first write, and writes the schedule before the state: a member of the schedule without state is removed by the next
-- claim, while state without a schedule would never be seen again.

local MAX_WHOLE = 9007199254740991 -- 2^53 - 1: above it a Lua number cannot tell neighbours apart

-- Periods, epochs and times repeat within a call, so each text is read once.
local wholes = {}

local function whole(text)
  local n = wholes[text or '']
  if n then
    return n
  end
  n = string.find(text or '', '^%d+$') and tonumber(text)
  if not n or n > MAX_WHOLE then
    error('argument is not a whole number below 2^53', 0)
  end
  wholes[text] = n
  return n
end

-- digits: tostring would keep only 14 of them.
local function digits(n)
  return string.format('%.0f', n)
end

local function clock(text)
  if text ~= '' then
    return whole(text)
  end
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- is_later: does position (epoch, seq) lie behind the one of window w?
local function is_later(epoch, seq, w)
  return epoch > w.epoch or (epoch == w.epoch and seq > w.seq)
end

-- unpack_state returns nil for a window that is not there or cannot be read.
local function unpack_state(text)
  if not text then
    return nil
  end
  -- The common window has five fields: one match is half the work of a loop over all there may be.
  local epoch, seq, first, due, n = string.match(text, '^(%d+) (%d+) (%d+) (%-?%d+) (%d+)$')
  if epoch then
    first = tonumber(first)
    return {
      epoch = tonumber(epoch), seq = tonumber(seq), first = first, due = first + tonumber(due), n = tonumber(n),
      cool = 0, trace = '-', held = 0,
    }
  end
  local f = {}
  for word in string.gmatch(text, '%S+') do
    f[#f + 1] = word
  end
  local w = {
    epoch = tonumber(f[1]), seq = tonumber(f[2]), first = tonumber(f[3]), due = tonumber(f[4]), n = tonumber(f[5]),
    cool = tonumber(f[6] or '0'), trace = f[7] or '-', held = tonumber(f[8] or '0'),
  }
  if not (w.epoch and w.seq and w.first and w.due and w.n and w.cool and w.held) then
    return nil
  end
  w.due = w.first + w.due
  if #f > 8 then
    local c = {
      token = f[9], epoch = tonumber(f[10]), seq = tonumber(f[11]), first = tonumber(f[12]), due = tonumber(f[13]),
      n = tonumber(f[14]), trace = f[15],
    }
    if not (c.epoch and c.seq and c.first and c.due and c.n and c.trace) then
      return nil
    end
    c.due = c.first + c.due
    w.claim = c
  end
  return w
end

local function pack_state(w)
  local text = string.format('%.0f %.0f %.0f %.0f %.0f', w.epoch, w.seq, w.first, w.due - w.first, w.n)
  if w.cool == 0 and w.trace == '-' and w.held == 0 then
    return text
  end
  text = string.format('%s %.0f %s', text, w.cool, w.trace)
  if w.held == 0 then
    return text
  end
  text = text .. ' ' .. digits(w.held)
  local c = w.claim
  if c then
    text = string.format('%s %s %.0f %.0f %.0f %.0f %.0f %s', text, c.token, c.epoch, c.seq, c.first, c.due - c.first, c.n, c.trace)
  end
  return text
end

local TRACE, MOST_TRACES = 32, 8 -- characters of a packed trace, and how many of them a window keeps

-- join_traces puts those of later events behind those that a window holds. Of more than MOST_TRACES the first stays, whose
-- trace the flush goes on, and the newest. "-", or what an older version has written, is none.
local function join_traces(held, later)
  if #later % TRACE ~= 0 then
    return #held % TRACE == 0 and held or '-'
  end
  if #held % TRACE ~= 0 then
    return later
  end
  if string.sub(held, -#later) == later then
    return held -- several events of one request
  end
  local all, most = held .. later, TRACE * MOST_TRACES
  if #all > most then
    all = string.sub(all, 1, TRACE) .. string.sub(all, TRACE - most)
  end
  return all
end

-- claimable_at is the score of a window. A claim keeps its place even when its lease has ended: an event that arrives
-- then must not put off what a crash has left behind.
local function claimable_at(w, now)
  if w.claim or w.held > now then
    return w.held
  end
  if w.first == 0 then
    return w.cool
  end
  return w.due
end

-- load reads the windows of a batch: a table by key, false where there is none.
local function load_windows(keys)
  local windows = {}
  if #keys == 0 then
    return windows
  end
  local states = redis.call('HMGET', KEYS[1], unpack(keys))
  for i, key in ipairs(keys) do
    windows[key] = unpack_state(states[i]) or false
  end
  return windows
end

-- save writes the windows of the keys listed in touched, and removes those that are false.
local function save_windows(windows, touched, now)
  local scores, states, gone, seen = {}, {}, {}, {}
  for _, key in ipairs(touched) do
    local w = windows[key]
    if seen[key] then -- is in the lists already
    elseif w then
      scores[#scores + 1] = digits(claimable_at(w, now))
      scores[#scores + 1] = key
      states[#states + 1] = key
      states[#states + 1] = pack_state(w)
    else
      gone[#gone + 1] = key
    end
    seen[key] = true
  end
  if #scores > 0 then
    redis.call('ZADD', KEYS[2], unpack(scores))
    redis.call('HSET', KEYS[1], unpack(states))
  end
  if #gone > 0 then
    redis.call('HDEL', KEYS[1], unpack(gone))
    redis.call('ZREM', KEYS[2], unpack(gone))
  end
end

-- earliest is the smallest score of the shard, nil without windows.
local function earliest()
  return tonumber(redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2] or '')
end

-- reply begins every answer: is the shard emptied (0 or 1), now, and ms until its earliest window (-1: none).
local function reply(now, next_at)
  local marker = redis.call('GET', KEYS[3])
  local emptied = 1
  if marker and string.sub(marker, 1, 1) == '+' then
    emptied = 0
  end
  return { emptied, now, next_at and math.max(0, next_at - now) or -1 }
end

-- wake tells the other replicas when the shard's earliest window has become earlier than they know.
local function wake(before, after, now)
  if after and (not before or after < before) then
    redis.call('PUBLISH', 'debounce:wake', ARGV[2] .. ' ' .. digits(math.max(0, after - now)))
  end
end
