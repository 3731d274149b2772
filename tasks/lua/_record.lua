-- What a claim does with a message: what is it, and where does it go.
-- Expects: tasks/_read.
-- Gives: take(what was read, message, queue), sort(message, number of its
-- queue), soonest()

local function park(text, queue)
  local entry = queue .. '\n' .. now .. '\n' .. text
  redis.call('HSET', parked, redis.sha1hex(text), entry)
end

-- The queue stands where kombu has exchange and routing key: whoever restores the
-- record, a stock worker too, puts it back where it came from.
local function take(message, text, queue)
  if not message then
    return park(text, queue)
  end
  local tag = message.tag
  local entry = '[' .. text .. ',"",' .. cjson.encode(queue) .. ']'
  if redis.call('HSETNX', unacked, tag, entry) == 0 then
    if redis.call('HGET', unacked, tag) == entry then
      return -- the same message twice: its sender did not hear of the first
    end
    tag = tag .. '#' .. now .. '#' .. #taken
    redis.call('HSET', unacked, tag, entry)
  end
  redis.call('ZADD', index, now, tag)
  redis.call('ZADD', ours, now, tag)
  room = room - 1
  for _, part in ipairs({ queue, tag, text }) do
    taken[#taken + 1] = part
  end
end

local function sort(text, q)
  local message = read(text)
  local at = message and due(message.headers)
  if not at or at <= time then
    return take(message, text, ARGV[acks + 3 + q])
  end
  local id = message.headers.id
  local named = type(id) == 'string' and #id > 0 and #id < 256
  keep_until(waiting, KEYS[6 + q], named and id or message.tag, text, at, now)
  asleep = true
end

local function soonest()
  local first = nil
  for q = 1, asleep and queues or 0 do
    local found = redis.call('ZRANGE', KEYS[6 + q], 0, 0, 'WITHSCORES')
    first = found[2] and math.min(tonumber(found[2]), first or math.huge) or first
  end
  return first and string.format('%.6f', math.max(first - time, 0)) or ''
end
