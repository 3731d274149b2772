-- Put a state back that was sealed anew: nothing else of it changes, nor its version.
-- KEYS: as in sessions/_keys
-- ARGV: 1 session id, 2 state as it was read, 3 the same, sealed anew
-- Returns: 1, or 0 when it is another one by now, or gone

--@include sessions/_keys
local sid, old, new = unpack(ARGV)

if redis.call("GET", states .. sid) ~= old then return 0 end
redis.call("SET", states .. sid, new, "KEEPTTL")
return 1
