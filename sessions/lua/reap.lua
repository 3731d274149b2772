-- One bounded step of the clean-up: dead leases, expired sessions, cooled proxies.
-- KEYS: 1 session prefix, 2 state prefix, 3 expiry, 4 leases, 5 counters, 6 usable,
--       7 cooling, 8 live prefix
-- ARGV: 1 batch
-- Returns: {sessions removed, leases settled, proxies revived, 1 if more is waiting}

--@include proxies/_clock
local sessions, states, expiry, leases, counters, usable, cooling, live =
  unpack(KEYS)
local batch = tonumber(ARGV[1])
--@include proxies/_health

local dead = redis.call("ZRANGEBYSCORE", leases, "-inf", now, "LIMIT", 0, batch)
for i = 1, #dead do
  local token = "^(%x+):(%d+):(%d+):(.+)$"
  local proxy, incarnation, count, sid = string.match(dead[i], token)
  -- Who removes the member settles it; nobody can do so twice.
  redis.call("ZREM", leases, dead[i])
  settle(proxy, 0, 1, 0, 0)
  local s = redis.call("HMGET", sessions .. sid, "i", "n")
  if s[1] == incarnation and s[2] == count then
    redis.call("HSET", sessions .. sid, "d", 0, "k", "",
      "i", redis.call("HINCRBY", counters, "incarnation", 1))
  end
end

local due = redis.call("ZRANGEBYSCORE", expiry, "-inf", now, "LIMIT", 0, batch)
local removed = 0
for i = 1, #due do
  local key = sessions .. due[i]
  local s = redis.call("HMGET", key, "p", "x", "d")
  -- The index is lazy: a session that was used since is put where it belongs here.
  local until_ms = s[1] and math.max(s[2], s[3]) or 0
  if until_ms > now then
    redis.call("ZADD", expiry, until_ms, due[i])
  else
    redis.call("UNLINK", key, states .. due[i])
    redis.call("ZREM", expiry, due[i])
    if s[1] then
      leave(s[1])
      removed = removed + 1
    end
  end
end
redis.call("HINCRBY", counters, "expired", removed)
redis.call("HINCRBY", counters, "lost_leases", #dead)
local revived = revive_due(batch)
local more = #dead == batch or #due == batch
return {removed, #dead, revived, more and 1 or 0}
