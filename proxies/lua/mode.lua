-- Say what may be done with a proxy.
-- KEYS: 1 static prefix, 2 live prefix, 3 usable, 4 registry, 5 index prefix,
--       6 cooling, 7 audit, 8 sessions of each
-- ARGV: 1 proxy id, 2 mode: "" for everything, draining (keeps its sessions, gets no
--       new ones), evacuating or disabled (sessions move at their next use), removed
-- Returns: 1, or 0 when there is no such proxy

--@include proxies/_clock
local static, live, usable, registry, indexes, cooling, audit, loads = unpack(KEYS)
local proxy, mode = unpack(ARGV)
--@include proxies/_index
--@include proxies/_health
--@include proxies/_forget

local d = redis.call("HMGET", live .. proxy, "state", "due", "ends", "inflight",
  "mode", "cap")
if not d[1] then return 0 end
if d[5] ~= mode then tell(proxy, mode == "" and "enabled" or mode) end
redis.call("HSET", live .. proxy, "mode", mode, "plain", plain(mode, d[3], d[6]))
if may_enter(d[1], mode, tonumber(d[3])) then
  enter(proxy)
else
  quit(proxy)
end
if mode == "" and (d[1] == "unhealthy" or d[1] == "dead") then
  redis.call("ZADD", cooling, d[2], proxy)
else
  redis.call("ZREM", cooling, proxy)
end
if mode == "removed" and d[4] == "0" then forget(proxy) end
return 1
