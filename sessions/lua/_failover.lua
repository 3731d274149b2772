-- Fragment: what becomes of a session whose proxy will not do.
-- Expects: sessions/_bind, lease (ms), excluded.
-- Gives: look, leave_proxy.

-- Is the session's own proxy fit for another request?
local function look(s)
  local f = redis.call("HMGET", live .. s.p, "state", "mode", "due", "ends", "cap",
    "inflight")
  local d = {state = f[1], mode = f[2] or "", due = tonumber(f[3] or 0)}
  local ends, cap = tonumber(f[4] or 0), tonumber(f[5] or 0)
  d.over = ends > 0 and ends <= now
  d.full = cap > 0 and tonumber(f[6]) >= cap
  d.fit = (d.state == "healthy" or d.state == "degraded" or d.state == "unknown")
    and (d.mode == "" or d.mode == "draining") and not d.over and allowed(s.p)
  return d
end

local function lost(sid, wait, why)
  redis.call("HINCRBY", counters, "session_lost", 1)
  refused(sid, why)
  return {"X", wait, why}
end

-- The session's proxy will not do. Returns a refusal, or nil when it has another one.
local function leave_proxy(sid, s, o, d)
  local down = d.state == "unhealthy" or d.state == "dead"
  local told = d.mode ~= "" and d.mode ~= "draining"
  local gone = not d.state or told or d.over or d.state == "dead"
  if o.hard then
    if gone then
      remove(sid, s.p, "proxy_lost")
      return lost(sid, -1, "proxy_lost")
    elseif not down or not allowed(s.p) then
      -- A ban ends some time; who excludes the proxy will go on doing so.
      return lost(sid, held and 60000 or -1, "proxy_excluded")
    elseif d.due > now then
      return lost(sid, d.due - now, "proxy_down")
    elseif d.full then
      return lost(sid, 1000, "proxy_down")
    end
    -- It cannot move, so it is the one that tries whether its proxy is back.
    if d.mode == "" then redis.call("ZADD", cooling, now + lease, s.p) end
    redis.call("HSET", live .. s.p, "due", now + lease, "probe", sid)
    return nil
  end
  local by_hand = told and d.state
  local start, rebinds = string.match(s.b or "0:0", "^(%d+):(%d+)$")
  if tonumber(start) + 3600000 <= now then start, rebinds = now, 0 end
  local most = tonumber(string.match(policy, "^%d+ %d+ %d+ %a+ (%d+)"))
  if not by_hand and tonumber(rebinds) >= most then
    return lost(sid, start + 3600000 - now, "rebinds")
  end
  local proxy = pick(plan, sid, "last")
  if not proxy then return none(sid) end
  if proxy ~= s.p then
    local why = by_hand and d.mode or down and d.state or d.over and "expired"
      or not d.state and "removed" or "excluded"
    move(sid, s, o, proxy, why)
    if not by_hand then
      redis.call("HSET", sessions .. sid, "b", start .. ":" .. (rebinds + 1))
    end
  end
end
