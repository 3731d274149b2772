-- Take messages off their lists, record them as unacked, and acknowledge others: all in
-- one step, so that a worker that dies has either not taken a message or left a record.
--
-- KEYS: 1 unacked hash, 2 its index, 3 the parked hash, 4 and on: lists in order of claim
-- ARGV: 1 most to take, 2 number of acks, then the tags to ack and each list's queue
-- Returns: for each message taken: queue, delivery tag, the message as it was sent
local unacked, index, parked = KEYS[1], KEYS[2], KEYS[3]
local room, acks = tonumber(ARGV[1]), tonumber(ARGV[2])
local clock = redis.call('TIME')
local now = clock[1] .. '.' .. string.format('%06d', clock[2])
local taken = {}

-- A key of another type must fail before anything is taken off a list.
redis.call('HLEN', parked)
redis.call('HLEN', unacked)
redis.call('ZCARD', index)

for n = 3, 2 + acks do
  redis.call('HDEL', unacked, ARGV[n])
  redis.call('ZREM', index, ARGV[n])
end

local function tag_of(text)
  local fine, message = pcall(cjson.decode, text)
  local properties = fine and type(message) == 'table' and message.properties
  if type(properties) ~= 'table' or type(properties.delivery_info) ~= 'table' then
    return nil
  end
  local headers = message.headers
  if headers ~= nil and headers ~= cjson.null and type(headers) ~= 'table' then
    return nil
  end
  local tag = properties.delivery_tag
  return type(tag) == 'string' and tag ~= '' and tag or nil
end

-- The queue stands where kombu has exchange and routing key: whoever restores the
-- record, a stock worker too, puts it back where it came from.
local function record(tag, text, queue)
  local entry = '[' .. text .. ',"",' .. cjson.encode(queue) .. ']'
  if redis.call('HSETNX', unacked, tag, entry) == 0 then
    if redis.call('HGET', unacked, tag) == entry then
      return nil -- the same message twice: its sender did not hear of the first
    end
    tag = tag .. '#' .. now .. '#' .. #taken
    redis.call('HSET', unacked, tag, entry)
  end
  redis.call('ZADD', index, now, tag)
  return tag
end

for i = 4, #KEYS do
  local queue = ARGV[acks + i - 1]
  while room > 0 do
    -- First of the writes, so that a Redis that is full can still be emptied.
    local text = redis.pcall('RPOP', KEYS[i])
    if type(text) ~= 'string' then
      break
    end
    room = room - 1
    local tag = tag_of(text)
    if tag then
      tag = record(tag, text, queue)
      if tag then
        taken[#taken + 1] = queue
        taken[#taken + 1] = tag
        taken[#taken + 1] = text
      end
    else
      local entry = queue .. '\n' .. now .. '\n' .. text
      redis.call('HSET', parked, redis.sha1hex(text), entry)
    end
  end
end
return taken
