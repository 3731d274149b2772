-- What a session carries.
-- KEYS: as in sessions/_keys
-- ARGV: 1 session id
-- Returns: {state version, state or false}; {-1, false} when there is no such session

--@include sessions/_keys
local sid = unpack(ARGV)

local version = redis.call("HGET", sessions .. sid, "v")
if not version then return {-1, false} end
return {tonumber(version), redis.call("GET", states .. sid)}
