-- End a lease: settle the proxy, renew the session's time, keep its new state.
-- KEYS: 1 session hash, 2 its state, 3 expiry, 4 leases, 5 counters, 6 usable,
--       7 cooling, 8 live prefix
-- ARGV: 1 session id, 2 token, 3 fault (negative a success, zero nothing, else a
--       failure), 4 failures that make a proxy cool, 5 first cool-down ms, 6 luck 0..1,
--       7 new state or "", 8 close the session, "1" for yes
-- Returns: {"K", state version} kept; {"A", state version} already released by this
--          very token; {"G", -1} the session is gone, the proxy is settled;
--          {"S", -1} stale, nothing was changed

--@include proxies/_clock
local session, state, expiry, leases, counters, usable, cooling, live = unpack(KEYS)
local sid, token, fault, most, cooldown, luck, blob, closing = unpack(ARGV)
fault, most = tonumber(fault), tonumber(most)
--@include proxies/_health
--@include sessions/_end

local proxy, incarnation, count = string.match(token, "^(%x+):(%d+):(%d+):")
local s = redis.call("HMGET", session, "p", "i", "a", "t", "r", "v")
local mine = s[2] == incarnation

if redis.call("ZREM", leases, token) == 0 then
  if mine and s[5] == count then return {"A", s[6]} end
  redis.call("HINCRBY", counters, "stale", 1)
  return {"S", -1}
end
settle(proxy, fault, most, cooldown, luck)
redis.call("HINCRBY", counters, fault > 0 and "faults" or "released", 1)
if not mine then return {"G", -1} end
if closing == "1" then
  remove(s[1], "closed")
  return {"G", -1}
end
local expires = math.min(now + s[4], s[3])
local version = s[6]
if blob ~= "" then
  version = redis.call("HINCRBY", session, "v", 1)
  -- The session removes it; should that never come, it goes a while after.
  redis.call("SET", state, blob, "PX", 2 * s[4] + 60000)
end
redis.call("HSET", session, "d", 0, "k", "", "r", count, "x", expires)
return {"K", version}
