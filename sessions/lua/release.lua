-- End a lease: settle the proxy, renew the session's time, keep its new state.
-- KEYS: as in sessions/_keys
-- ARGV: 1 session id, 2 token, 3 kind (ok, fault, refused, blocked, none), 4 how much
--       of a fault 0..1, 5 health "failures cooldown-ms alpha window-ms", 6 luck 0..1,
--       7 elapsed ms or "", 8 bytes, 9 upper bound of its time bucket, 10 URL or "",
--       11 new state or "", 12 the version that it replaces, or "" when the lease
--       fences, 13 reason to close the session or "", 14 domain or ""
-- Returns: {"K", state version} kept; {"A", state version} already released by this
--          very token; {"V", state version} the state was not kept: it is another by
--          now; {"G", -1} the session is gone, the proxy is settled; {"S", -1} stale,
--          nothing of the session was changed

--@include proxies/_clock
--@include sessions/_keys
local sid, token, kind, fault, health, luck, ms, bytes, bucket, url, blob, expected,
  reason, domain = unpack(ARGV)
--@include proxies/_index
--@include proxies/_leave
--@include proxies/_health
--@include proxies/_settle
--@include proxies/_ban
--@include sessions/_session

local key = sessions .. sid
local proxy, incarnation, nonce = string.match(token, "^(%w+):(%d+):(%x+):")
local f = redis.call("HMGET", key, "o", "p", "x", "v", "i", "k", "a", "t", "q", "z")
local s = {o = f[1], p = f[2], x = f[3], v = f[4], i = f[5], k = f[6], a = f[7], t = f[8],
  q = f[9], z = f[10]}

if redis.call("ZREM", leases, token) == 0 then
  if not s.p then return {"G", -1} end
  if s.i == incarnation and string.find(s.k, "-" .. nonce, 1, true) then
    return {"A", s.v}
  end
  redis.call("HINCRBY", counters, "stale", 1)
  return {"S", -1}
end
local most, cooldown, alpha, window = string.match(health, "^(%S+) (%S+) (%S+) (%S+)$")
settle(proxy, {kind = kind, fault = tonumber(fault), most = tonumber(most),
  cooldown = tonumber(cooldown), alpha = tonumber(alpha), window = tonumber(window),
  luck = tonumber(luck), ms = tonumber(ms), bytes = tonumber(bytes), sid = sid})
if kind == "blocked" and domain ~= "" then ban(proxy, bans .. domain) end
if ms ~= "" then redis.call("HINCRBY", times, bucket, 1) end
if kind == "fault" or kind == "refused" then redis.call("HINCRBY", counters, "faults", 1) end
if not s.p then return {"G", -1} end
if s.i ~= incarnation then
  redis.call("HINCRBY", counters, "stale", 1)
  return {"S", -1}
end
if reason ~= "" then
  remove(sid, s.p, reason)
  return {"G", -1}
end

local o = options(s.o)
local left = o.leases > 1 and redis.call("HINCRBY", key, "f", -1) or 0
local change = {"x", o.renew and math.min(now + s.t, s.a) or s.x,
  -- A shared session remembers the last releases, so that a repeated one is known.
  "k", string.sub("-" .. nonce .. (o.leases > 1 and s.k or ""), 1, 54)}
local function set(name, value) change[#change + 1], change[#change + 2] = name, value end
if left == 0 then set("d", 0) end
if o.delay > 0 then set("u", now + o.delay) end
if ms ~= "" then
  set("q", (s.q or 0) + ms)
  set("z", (s.z or 0) + 1)
end
if url ~= "" then set("w", url) end
local status = "K"
if blob ~= "" and expected ~= "" and expected ~= s.v then
  status = "V"
elseif blob ~= "" then
  -- Never one that another life of the session had.
  s.v = math.max(s.v + 1, now)
  set("v", s.v)
  -- The session removes it; should that never come, it goes when it had to end.
  redis.call("SET", states .. sid, blob, "PX", math.max(1, s.a - now) + 60000)
end
redis.call("HSET", key, unpack(change))
if left == 0 then rest(sid, o, now + o.delay) end
return {status, s.v}
