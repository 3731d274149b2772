-- Say that messages are still being worked on; those that are not recorded stay so.
--
-- KEYS: 1 index of the unacked
-- ARGV: delivery tags
-- Returns: 1
local clock = redis.call('TIME')
local now = clock[1] .. '.' .. string.format('%06d', clock[2])
for _, tag in ipairs(ARGV) do
  redis.call('ZADD', KEYS[1], 'XX', now, tag)
end
return 1
