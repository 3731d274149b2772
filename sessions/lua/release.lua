-- End a lease: settle the proxy, renew the session's time, keep its new state.
-- KEYS: as in sessions/_keys
-- ARGV: 1 session id, 2 token, 3 kind (ok, fault, refused, blocked, none), 4 how much
--       of a fault 0..1, 5 health "failures cooldown-ms alpha window-ms", 6 luck 0..1,
--       7 elapsed ms or "", 8 bytes, 9 upper bound of its time bucket, 10 URL or "",
--       11 new state or "", 12 the version that it replaces, or "" when the lease
--       fences, 13 reason to close the session or "", 14 domain or "", 15 errors that
--       end the session, 16 how long a ban is at least, in ms, 17 of a page in a
--       browser "ms bucket" of its time, or ""
-- Returns: {"K", state version} kept; {"A", state version} already released by this very
--          token, 0 if others came since; {"V", state version} the state was not kept, it
--          is another by now; {"G", -1} the session is gone, the proxy is settled;
--          {"S", -1} stale, nothing was changed

--@include proxies/_clock
--@include sessions/_keys
local sid, token, kind, fault, health, luck, ms, bytes, bucket, url, blob, expected,
  reason, domain, limit, least, rendered = unpack(ARGV)
--@include proxies/_index
--@include proxies/_leave
--@include proxies/_health
--@include proxies/_settle
--@include proxies/_ban
--@include sessions/_session
--@include sessions/_judge

local key = sessions .. sid
local proxy, incarnation, nonce = string.match(token, "^(%w+):(%d+):(%w+):")
local names = {"o", "p", "x", "v", "i", "k", "a", "t", "q", "z", "e", "y"}
local f, s = redis.call("HMGET", key, unpack(names)), {}
for i = 1, #names do s[names[i]] = f[i] end
s.v = s.v or s.i

if redis.call("ZREM", leases, token) == 0 then
  if not s.p then return {"G", -1} end
  local place = string.find(s.k .. "-", "-" .. nonce .. "-", 1, true)
  if s.i == incarnation and place then return {"A", place == 1 and s.v or "0"} end
  local before = redis.call("GET", answered .. token)
  -- A conflict is one again.
  if before then return {string.match(before, "^(%a):(.+)$")} end
  redis.call("HINCRBY", counters, "stale", 1)
  return {"S", -1}
end
--@include sessions/_blame
if not s.p then return {"G", -1} end
if s.i ~= incarnation then
  redis.call("HINCRBY", counters, "stale", 1)
  return {"S", -1}
end
local o, was = options(s.o), tonumber(s.e or 0)
local score, ends = judge(was, kind, tonumber(fault), tonumber(limit), o.pooled)
if reason ~= "" or ends then
  remove(sid, s.p, reason ~= "" and reason or ends, bytes)
  return {"G", -1}
end

local left = o.leases > 1 and redis.call("HINCRBY", key, "f", -1) or 0
--@include sessions/_note
set("x", o.renew and math.min(now + s.t, s.a) or s.x)
if left == 0 then set("d", 0) end
if o.leases == 1 then set("k", string.match("-" .. s.k, string.rep("%-?%w*", 4))) end
if o.delay > 0 then set("u", now + o.delay) end
if ms ~= "" then set("q", (s.q or 0) + ms) set("z", (s.z or 0) + 1) end
if bytes ~= "0" then set("y", (s.y or 0) + bytes) end
if url ~= "" then set("w", url) end
--@include sessions/_rendered
if score > 0 or s.e then set("e", string.format("%.4g", score)) end
local status = "K"
if blob ~= "" and expected ~= "" and expected ~= s.v then
  status = "V"
elseif blob ~= "" then
  write(sid, blob)
end
redis.call("HSET", key, unpack(change))
-- Others may have released it by the time that this one is sent again.
if o.leases > 1 then
  redis.call("SET", answered .. token, (status == "K" and "A:" or "V:") .. s.v, "PX", 60000)
end
if left == 0 then rest(sid, o, now + o.delay) end
return {status, s.v}
