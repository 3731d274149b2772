-- Move sessions that nobody uses off their proxy, to one that is named or chosen.
-- KEYS: as in sessions/_keys
-- ARGV: 1 proxy to leave, or "" for any, 2 proxy to go to, or "" for one by the plan,
--       3 reason, 4 plan, 5 luck, 6 and on: session ids
-- Returns: {sessions moved, in use, without a proxy to go to or hard, how many of those
--          named were looked at}, or {"I", index}, or {"P"} when the named proxy cannot
--          be used

--@include proxies/_clock
--@include sessions/_keys
local from, to, reason, plan, luck = unpack(ARGV)
local policy, lease, excluded, banned = "", 0, "," .. from .. ",", ""
luck = tonumber(luck)
--@include proxies/_index
--@include proxies/_leave
--@include proxies/_health
--@include proxies/_settle
--@include proxies/_pick
--@include proxies/_order
--@include proxies/_choose
--@include sessions/_session
--@include sessions/_bury
--@include sessions/_expire
--@include sessions/_room
--@include sessions/_bind

if to ~= "" then
  local ends = tonumber(redis.call("HGET", live .. to, "ends") or 0)
  local ended = ends > 0 and ends <= now
  if ended or not redis.call("ZSCORE", usable, to) then return {"P"} end
end
local moved, used, stuck, done, none_fits = 0, 0, 0, 0, false
for i = 6, #ARGV do
  -- Where most proxies are full, a choice looks at 2,000: nobody waits for many of those.
  if looked >= 2000 then break end
  done = done + 1
  local sid = ARGV[i]
  local f = redis.call("HMGET", sessions .. sid, "p", "g", "v", "o", "d", "u", "i",
    "k")
  local s, o = {p = f[1], g = f[2], v = f[3], i = f[7], k = f[8]}, options(f[4])
  local concerned = s.p and (from == "" or s.p == from) and s.p ~= to
  if concerned and tonumber(f[5] or 0) > now then
    used = used + 1
  elseif concerned then
    local choose = to == "" and not o.hard and not none_fits
    local proxy = to ~= "" and to or (choose and pick(plan, sid, "none"))
    if missing then return {"I", missing} end
    if proxy then
      -- A holder that is merely late must not write what belongs to the old proxy.
      if tonumber(f[5] or 0) > 0 then dismiss(sid, s, o, f[6]) end
      move(sid, s, o, proxy, reason)
      moved = moved + 1
    else
      stuck = stuck + 1
      none_fits = none_fits or choose
    end
  end
end
return {moved, used, stuck, done}
