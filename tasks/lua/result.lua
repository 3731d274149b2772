-- Keep what became of a job, and tell who waits for it.
-- KEYS: 1 the job's result
-- ARGV: 1 the result, 2 seconds to keep it, none for ever, 3 and on: how results begin
--       that stay
-- Returns: 1; 0 when there is one that stays

local key = KEYS[1]
local result, keep = unpack(ARGV)

for i = 3, #ARGV do
  if redis.call("GETRANGE", key, 0, #ARGV[i] - 1) == ARGV[i] then return 0 end
end
if tonumber(keep) > 0 then
  redis.call("SETEX", key, keep, result)
else
  redis.call("SET", key, result)
end
redis.call("PUBLISH", key, result)
return 1
