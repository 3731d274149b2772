-- Fragment: the end of a session's life.
-- Expects: session, state, expiry, counters, sid, and proxies/_leave.
-- Gives: remove.

local function remove(proxy, reason)
  redis.call("UNLINK", session, state)
  redis.call("ZREM", expiry, sid)
  redis.call("HINCRBY", counters, reason, 1)
  leave(proxy)
end
