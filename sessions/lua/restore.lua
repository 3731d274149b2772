-- Bring back a session that was exported, at its proxy or, if that cannot be used, at
-- another one.
-- KEYS: as in sessions/_keys
-- ARGV: 1 session id, 2 proxy, 3 plan, 4 luck, 5 state or "", 6 replace one that exists,
--       "1" or "0", 7 and on: fields and values of the session's hash
-- Returns: {"P", proxy} restored; {"K"} kept: it exists, or its time is over;
--          {"N"} no proxy may be used; {"I", index} build it first

--@include proxies/_clock
--@include sessions/_keys
local sid, proxy, plan, luck, blob, replace = unpack(ARGV)
local lease, excluded, banned = 0, "", ""
luck = tonumber(luck)
--@include proxies/_index
--@include proxies/_leave
--@include proxies/_pick
--@include proxies/_order
--@include proxies/_choose
--@include sessions/_session

local old = redis.call("HMGET", sessions .. sid, "p", "d", "x", "a")
local s = {}
for i = 7, #ARGV, 2 do s[ARGV[i]] = ARGV[i + 1] end
if tonumber(s.x) <= now then return {"K"} end
if old[1] and math.max(old[2] or 0, old[3]) <= now then
  -- Its time is over, and the clean-up has not come yet.
  remove(sid, old[1], old[3] == old[4] and "max_age" or "idle")
  old = {}
end
if old[1] and (replace ~= "1" or tonumber(old[2] or 0) > now) then return {"K"} end
local ends = tonumber(redis.call("HGET", live .. proxy, "ends") or 0)
local ended = ends > 0 and ends <= now
if ended or not redis.call("ZSCORE", usable, proxy) then
  proxy = pick(plan, sid, "none")
end
if missing then return {"I", missing} end
if not proxy then return {"N"} end
if old[1] then remove(sid, old[1], "closed") end
redis.call("HSET", sessions .. sid, "p", proxy, "d", 0, "k", "",
  "i", redis.call("HINCRBY", counters, "incarnation", 1), unpack(ARGV, 7))
redis.call("ZADD", expiry, s.x, sid)
redis.call("HINCRBY", loads, proxy, 1)
if blob ~= "" then
  -- Without a version nobody would look for it.
  if not s.v then redis.call("HSET", sessions .. sid, "v", now) end
  redis.call("SET", states .. sid, blob, "PX", math.max(1, s.a - now) + 60000)
end
rest(sid, options(s.o), 0)
event(sid, "imported", "proxy", proxy)
return {"P", proxy}
