-- Make a proxy known, or renew what the inventory says of it; its health, its turn and
-- its sessions are kept. Safe to repeat.
-- KEYS: 1 static prefix, 2 live prefix, 3 usable, 4 registry, 5 index prefix,
--       6 cooling, 7 audit
-- ARGV: 1 proxy id, 2 URL, 3 labels, 4 weight, 5 cap, 6 end in ms (both may be zero for
--       none), 7 mode: "" for everything, draining, evacuating, disabled, or "as it is",
--       8 a text that says the same URL (it is sealed, and each sealing gives another
--       text), or ""
-- Returns: 1 when the proxy is new, else 0

--@include proxies/_clock
local static, live, usable, registry, indexes, cooling, audit = unpack(KEYS)
local proxy, url, labels, weight, cap, ends, mode, same = unpack(ARGV)
--@include proxies/_index
--@include proxies/_health

local d = redis.call("HMGET", live .. proxy, "state", "due", "version", "mode")
local s = redis.call("HMGET", static .. proxy, "url", "labels")
if s[2] and s[2] ~= labels then quit(proxy) end
redis.call("HSET", static .. proxy, "url", url, "labels", labels)
-- Never a number that it had before it was forgotten: workers keep what they know by it.
local changed = s[1] ~= url and (same == "" or s[1] ~= same)
local version = tonumber(d[3] or now) + (changed and 1 or 0)
local state = d[1] or "unknown"
if mode == "as it is" then mode = d[4] ~= "removed" and d[4] or "" end
if not d[1] then
  -- A small hash is searched from its beginning: what each request needs comes first.
  redis.call("HSET", live .. proxy, "inflight", 0, "version", version, "state", state,
    "plain", 0, "mode", mode, "ends", ends, "cap", cap, "done", 0,
    "success", 1, "ema", 0, "win", now, "n0", 0, "bytes", 0, "fails", 0, "cools", 0,
    "since", now, "faults", 0, "probe", "", "f0", 0, "due", 0, "n1", 0, "f1", 0,
    "bans", 0, "bans_since", 0)
end
redis.call("HSET", live .. proxy, "weight", weight, "cap", cap, "ends", ends,
  "version", version, "mode", mode, "plain", plain(mode, ends, cap))
if may_enter(state, mode, tonumber(ends)) then
  enter(proxy)
else
  quit(proxy)
end
if mode == "" and (state == "unhealthy" or state == "dead") then
  -- One that refused the old password is tried with the new one now.
  local due = state == "dead" and changed and now or d[2]
  redis.call("HSET", live .. proxy, "due", due)
  if changed then redis.call("HSET", live .. proxy, "refusals", 0) end
  redis.call("ZADD", cooling, due, proxy)
elseif mode ~= "" then
  redis.call("ZREM", cooling, proxy)
end
return d[1] and 0 or 1
