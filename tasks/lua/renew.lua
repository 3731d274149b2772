-- Say that messages are still held; those that are not recorded stay so.
--
-- KEYS: 1 index of the unacked, 2 the index of what we hold, 3 those not begun
-- ARGV: 1 how many have not begun, 2 and on: their delivery tags, then those that run
-- Returns: 1
local index, ours, idle = KEYS[1], KEYS[2], KEYS[3]
local clock = redis.call('TIME')
local now = clock[1] .. '.' .. string.format('%06d', clock[2])
for i = 2, #ARGV do
  local tag = ARGV[i]
  if redis.call('ZSCORE', ours, tag) then
    redis.call('ZADD', ours, now, tag)
    redis.call('ZADD', index, 'XX', now, tag)
    redis.call(i <= ARGV[1] + 1 and 'SADD' or 'SREM', idle, tag)
  end
end
return 1
