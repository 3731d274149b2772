-- What a session carries.
-- KEYS: as in sessions/_keys
-- ARGV: 1 session id
-- Returns: {state version, state or false}; {"-1", false} when there is no such session

--@include sessions/_keys
local sid = unpack(ARGV)

local s = redis.call("HMGET", sessions .. sid, "i", "v")
if not s[1] then return {"-1", false} end
return {s[2] or s[1], redis.call("GET", states .. sid)}
