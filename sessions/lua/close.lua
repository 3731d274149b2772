-- End sessions now; a lease on one is still settled when it is released or dies.
-- KEYS: as in sessions/_keys
-- ARGV: 1 reason, 2 session id, or "" for the next ones of the pool, 3 how many of those
-- Returns: how many were ended

--@include proxies/_clock
--@include sessions/_keys
local reason, sid, batch = unpack(ARGV)
--@include proxies/_leave
--@include sessions/_session

local found = sid ~= "" and {sid} or redis.call("ZRANGE", expiry, 0, batch - 1)
local closed = 0
for i = 1, #found do
  local proxy = redis.pcall("HGET", sessions .. found[i], "p")
  if type(proxy) == "table" then
    -- It is no hash, and no session of anybody.
    redis.call("UNLINK", sessions .. found[i])
    redis.call("ZREM", expiry, found[i])
    closed = closed + 1
  elseif proxy then
    remove(found[i], proxy, reason)
    closed = closed + 1
  else
    redis.call("ZREM", expiry, found[i])
  end
end
return closed
