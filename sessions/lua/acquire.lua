-- Lease a session: keep its proxy, create it, or move it when its proxy is down.
-- KEYS: 1 session hash, 2 its state, 3 expiry, 4 leases, 5 counters, 6 usable,
--       7 cooling, 8 live prefix, 9 static prefix
-- ARGV: 1 session id, 2 nonce, 3 idle ttl ms, 4 max age ms, 5 lease ms
-- Returns: {status, proxy, token, generation, incarnation, proxy version,
--          state version, state or false}; status C created, H held, F failed over,
--          R the same lease again after a lost reply;
--          {"B", ms until the lease ends}; {"N", ms until a proxy is due, or -1}

--@include proxies/_clock
local session, state, expiry, leases, counters, usable, cooling, live, static =
  unpack(KEYS)
local sid, nonce, ttl, max_age, lease = unpack(ARGV)
--@include proxies/_health

local s = redis.call("HMGET", session, "p", "g", "i", "x", "a", "n", "d", "k", "v")
local proxy, incarnation, deadline = s[1], s[3], tonumber(s[7] or 0)

local function reply(status, generation, count, version)
  local blob = version ~= "0" and redis.call("GET", state)
  local seen = redis.call("HGET", static .. proxy, "version") or "0"
  local token = table.concat({proxy, incarnation, count, sid}, ":")
  return {status, proxy, token, generation, incarnation, seen, version, blob}
end

if proxy and deadline > now then
  if s[8] == nonce then return reply("R", s[2], s[6], s[9]) end
  redis.call("HINCRBY", counters, "busy", 1)
  return {"B", deadline - now}
end

revive_due(2)
local alive = proxy and tonumber(s[4]) > now
local status, generation, count, version, ends = "H", s[2], s[6], s[9], s[5]
if not alive then
  status, generation, count, version, ends = "C", 0, 0, "0", now + max_age
elseif redis.call("HGET", live .. proxy, "state") ~= "up" then
  status = "F"
end
if status ~= "H" then
  local chosen = pick()
  if not chosen then
    redis.call("HINCRBY", counters, "no_proxy", 1)
    local due = redis.call("ZRANGE", cooling, 0, 0, "WITHSCORES")
    return {"N", due[2] and math.max(1, due[2] - now) or -1}
  end
  if proxy then leave(proxy) end
  if not alive and proxy then redis.call("UNLINK", state) end
  proxy, generation = chosen, generation + 1
  redis.call("HINCRBY", counters, status == "C" and "created" or "failovers", 1)
end
-- A new life, or a lease whose holder died: whatever still holds the old number is
-- fenced off from here on.
if status == "C" or deadline > 0 then
  incarnation = redis.call("HINCRBY", counters, "incarnation", 1)
end
count = count + 1
local expires = math.min(now + ttl, ends)
redis.call("HSET", session, "p", proxy, "g", generation, "i", incarnation, "x", expires,
  "a", ends, "t", ttl, "n", count, "d", now + lease, "k", nonce, "v", version)
if status == "C" then
  redis.call("HSET", session, "c", now, "r", 0)
  redis.call("ZADD", expiry, expires, sid)
end
redis.call("HINCRBY", live .. proxy, "inflight", 1)
redis.call("HINCRBY", counters, "acquired", 1)
local answer = reply(status, generation, count, version)
redis.call("ZADD", leases, now + lease, answer[3])
return answer
