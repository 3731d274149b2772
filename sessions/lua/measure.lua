-- How much memory the pool's sessions take, from a sample: the cost does not grow.
-- KEYS: as in sessions/_keys
-- ARGV: 1 sessions to sample
-- Returns: {sessions, sessions sampled, bytes of those: record, state, place in the
--          index; proxies whose cool-down is over}

--@include proxies/_clock
--@include sessions/_keys

local function bytes_of(key)
  return redis.call("MEMORY", "USAGE", key) or 0
end

local all = redis.call("ZCARD", expiry)
local names = redis.call("ZRANDMEMBER", expiry, ARGV[1])
local bytes = 0
for i = 1, #names do
  bytes = bytes + bytes_of(sessions .. names[i]) + bytes_of(states .. names[i])
end
if all > 0 then bytes = bytes + bytes_of(expiry) / all * #names end
return {all, #names, math.ceil(bytes), redis.call("ZCOUNT", cooling, "-inf", now)}
