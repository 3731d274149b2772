-- Hold a lease for longer.
-- KEYS: as in sessions/_keys
-- ARGV: 1 session id, 2 token, 3 lease ms from now
-- Returns: {1}; {0} when the lease is lost, and nothing was changed

--@include proxies/_clock
--@include sessions/_keys
local sid, token, lease = unpack(ARGV)

local proxy, incarnation = string.match(token, "^(%w+):(%d+):")
local s = redis.call("HMGET", sessions .. sid, "i", "d")
-- Taken out and put back: a full Redis lets that, and then the rest of the script too.
if s[1] ~= incarnation or redis.call("ZREM", leases, token) == 0 then return {0} end
redis.call("ZADD", leases, now + lease, token)
redis.call("HSET", sessions .. sid, "d", math.max(tonumber(s[2]), now + lease))
-- Half-open: nobody else tries the proxy while this one does.
if redis.call("HGET", live .. proxy, "probe") == sid then
  redis.call("ZADD", cooling, "XX", now + lease, proxy)
  redis.call("HSET", live .. proxy, "due", now + lease)
end
return {1}
