-- Fragment: the states of a proxy, and what leads from one to another.
-- Expects: now, live, cooling, audit, and proxies/_index.
-- Gives: may_enter, plain, tell, failed, recovered, rest_of.

local function may_enter(state, mode, ends)
  local up = state == "unknown" or state == "healthy" or state == "degraded"
  return up and mode == "" and (ends == 0 or ends > now)
end

-- Whether its state alone says if its sessions may go on.
local function plain(mode, ends, cap)
  local stays = mode == "" or mode == "draining"
  return stays and tonumber(ends) == 0 and tonumber(cap) == 0 and 1 or 0
end

local function tell(proxy, event, ...)
  redis.pcall("XADD", audit, "MAXLEN", "~", 50000, "*", "event", event, "proxy", proxy,
    ...)
end

-- Cool down, twice as long each time up to an hour, spread by luck (0..1) over the upper
-- half so that proxies which failed together do not return together. After the sixth
-- time, or when it refuses our password, which waiting does not cure: once a day.
local function trip(proxy, d, h, new)
  local cools = math.min(d.cools + 1, 16)
  local state, wait = "unhealthy", math.min(3600000, h.cooldown * 2 ^ (cools - 1))
  if cools >= 6 or (new.refusals or 0) >= h.most then state, wait = "dead", 86400000 end
  local due = math.floor(now + wait * (0.5 + h.luck / 2))
  quit(proxy)
  if d.mode == "" then redis.call("ZADD", cooling, due, proxy) end
  new.state, new.due, new.cools, new.fails, new.probe = state, due, cools, 0, ""
  tell(proxy, state)
end

local function failed(proxy, d, h, new)
  new.refusals = h.kind == "refused" and d.refusals + 1 or 0
  new.faults, new.f0 = d.faults + 1, (new.f0 or d.f0) + 1
  if d.state == "unhealthy" or d.state == "dead" then
    -- What was on its way when it went down is no news; a failed probe is.
    if d.probe == h.sid then trip(proxy, d, h, new) end
    return
  end
  new.fails = d.fails + h.fault
  if new.fails >= h.most or (d.done >= 9 and tonumber(new.success) < 0.5) then
    trip(proxy, d, h, new)
  elseif new.fails >= 1 or tonumber(new.success) < 0.8 then
    new.state = "degraded"
  end
end

local function recovered(proxy, d, new)
  if d.fails > 0 or d.refusals > 0 then new.fails, new.refusals = 0, 0 end
  if d.probe ~= "" then new.probe = "" end
  if d.state == "unhealthy" or d.state == "dead" then
    redis.call("ZREM", cooling, proxy)
    new.state, new.since = "degraded", now
    if may_enter("degraded", d.mode, d.ends) then enter(proxy) end
    tell(proxy, "recovered")
  elseif d.state == "unknown"
    or (d.state == "degraded" and tonumber(new.success) >= 0.8 and not d.blocked) then
    new.state, new.since = "healthy", now
  elseif d.state == "healthy" and d.cools > 0 and now - d.since > 600000 then
    new.cools = 0
  end
end

-- What only a failure, or a proxy that is not simply well, needs to know.
local function rest_of(proxy, d)
  local f = redis.call("HMGET", live .. proxy, "fails", "cools", "since", "faults",
    "ends", "f0", "probe", "bans", "bans_since",
    "refusals")
  d.fails, d.cools, d.since = tonumber(f[1]), tonumber(f[2]), tonumber(f[3])
  d.faults, d.ends, d.f0, d.probe = tonumber(f[4]), tonumber(f[5]), tonumber(f[6]), f[7]
  d.refusals = tonumber(f[10] or 0)
  d.blocked = tonumber(f[8]) >= 5 and now - f[9] <= 3600000
end
