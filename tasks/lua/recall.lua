-- Take one message that waits before it is due, and record it as a claim does.
--
-- KEYS: 1 unacked hash, 2 its index, 3 the index of what we hold, 4 the waiting hash,
--   5 and on: when each queue's are due
-- ARGV: 1 id of its job, then the queues
-- Returns: nothing, or queue, delivery tag, the message as it was sent
local unacked, index, ours, waiting = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id = ARGV[1]
local clock = redis.call('TIME')
--@include tasks/_read
local now = clock[1] .. '.' .. string.format('%06d', clock[2])
local text = redis.call('HGET', waiting, id)
for i = 5, #KEYS do
  if text and redis.call('ZREM', KEYS[i], id) == 1 then
    local queue = ARGV[i - 3]
    local tag = read(text).tag .. '#' .. now
    local entry = '[' .. text .. ',"",' .. cjson.encode(queue) .. ']'
    redis.call('HDEL', waiting, id)
    redis.call('HSET', unacked, tag, entry)
    redis.call('ZADD', index, now, tag)
    redis.call('ZADD', ours, now, tag)
    return { queue, tag, text }
  end
end
return {}
