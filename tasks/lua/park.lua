-- Lay aside a message that cannot be read, or that too many workers died of.
--
-- KEYS: 1 unacked hash, 2 its index, 3 the index of what we hold, 4 those not begun,
--   5 the parked hash
-- ARGV: 1 delivery tag, 2 queue, 3 the message
-- Returns: whether it was still recorded
local unacked, index, ours, idle, parked = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local tag, queue, text = ARGV[1], ARGV[2], ARGV[3]
local there = redis.call('HDEL', unacked, tag)
if there == 1 then
  local entry = queue .. '\n' .. redis.call('TIME')[1] .. '\n' .. text
  redis.call('HSET', parked, redis.sha1hex(text), entry)
end
redis.call('ZREM', index, tag)
redis.call('ZREM', ours, tag)
redis.call('SREM', idle, tag)
return there
