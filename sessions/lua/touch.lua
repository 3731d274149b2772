-- Use a session without a request: its idle time starts anew.
-- KEYS: as in sessions/_keys
-- ARGV: 1 session id
-- Returns: when it expires in ms, 0 when there is no such session

--@include proxies/_clock
--@include sessions/_keys
local sid = unpack(ARGV)

local s = redis.call("HMGET", sessions .. sid, "p", "x", "t", "a", "d")
if not s[1] or math.max(s[2], s[5] or 0) <= now then return 0 end
local expires = math.min(now + s[3], s[4])
redis.call("HSET", sessions .. sid, "x", expires)
return expires
