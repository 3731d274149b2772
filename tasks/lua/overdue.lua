-- Find messages whose worker has not been heard of for the visibility timeout, and keep
-- other sweeps off them for as long again; who found them puts them back. What workers
-- with another transport hold is theirs: they never say that they are alive.
--
-- Nothing is overdue until sweeps have gone on for a whole timeout without a gap: after
-- an outage every worker that lives gets to say so first.
--
-- KEYS: 1 unacked hash, 2 its index, 3 the index of what we hold, 4 those not begun,
--   5 the memory of sweeps
-- ARGV: 1 visibility timeout and 2 longest gap in seconds, 3 most to return
-- Returns: for each message: delivery tag, record, whether it had not begun (1 or 0)
local unacked, index, ours, idle, memory = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local timeout, gap, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local clock = redis.call('TIME')
local now = clock[1] .. '.' .. string.format('%06d', clock[2])
local time = tonumber(now)

local seen = redis.call('HMGET', memory, 'last', 'since')
local since = seen[2]
if not seen[1] or time - tonumber(seen[1]) > gap then
  since = now
end
redis.call('HSET', memory, 'last', now, 'since', since)
redis.call('EXPIRE', memory, 86400)
if time - tonumber(since) < timeout then
  return {}
end

local found = {}
local before = string.format('%.6f', time - timeout)
local tags = redis.call('ZRANGEBYSCORE', ours, '-inf', before, 'LIMIT', 0, limit)
for _, tag in ipairs(tags) do
  local entry = redis.call('HGET', unacked, tag)
  -- Both indexes are written together: a stock worker has given this one back, and
  -- somebody else has taken it since.
  local same = redis.call('ZSCORE', index, tag) == redis.call('ZSCORE', ours, tag)
  if entry and same then
    redis.call('ZADD', index, now, tag)
    redis.call('ZADD', ours, now, tag)
    found[#found + 1] = tag
    found[#found + 1] = entry
    found[#found + 1] = redis.call('SISMEMBER', idle, tag)
  else
    redis.call('ZREM', ours, tag)
    redis.call('SREM', idle, tag)
  end
end
return found
