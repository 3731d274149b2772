-- Say how the job of an idempotency key ended. Safe to run twice.
-- KEYS: 1 claim
-- ARGV: 1 task id, 2 how: "1" it is done, "0" it failed and another one may try
-- Returns: 1, or 0 when the key is not this task's

--@include proxies/_clock
local key = KEYS[1]
local task, done = unpack(ARGV)

local c = redis.call("HMGET", key, "t", "u")
if c[1] ~= task then return 0 end
if done == "0" then
  redis.call("DEL", key)
  return 1
end
redis.call("HSET", key, "s", "done")
redis.call("PEXPIRE", key, math.max(1, c[2] - now))
return 1
