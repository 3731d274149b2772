-- End a session now; a lease on it is still settled when it is released or dies.
-- KEYS: 1 session hash, 2 its state, 3 expiry, 4 counters, 5 live prefix
-- ARGV: 1 session id
-- Returns: {1} when there was such a session, else {0}

local session, state, expiry, counters, live = unpack(KEYS)
local sid = unpack(ARGV)
--@include proxies/_leave
--@include sessions/_end

local proxy = redis.call("HGET", session, "p")
if not proxy then return {0} end
remove(proxy, "closed")
return {1}
