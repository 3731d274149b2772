-- Keep what became of a job, and tell who waits for it.
-- KEYS: 1 the job's result
-- ARGV: 1 the result, 2 how a success begins, 3 seconds to keep it, none for ever
-- Returns: 1; 0 when there is a success already, which stays

local key = KEYS[1]
local result, success, keep = unpack(ARGV)

-- A job that was taken for lost must not overwrite what it has done.
if redis.call("GETRANGE", key, 0, #success - 1) == success then return 0 end
if tonumber(keep) > 0 then
  redis.call("SETEX", key, keep, result)
else
  redis.call("SET", key, result)
end
redis.call("PUBLISH", key, result)
return 1
