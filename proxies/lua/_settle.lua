-- Fragment: a lease on a proxy has ended.
-- Expects: now, live, and proxies/_forget, proxies/_health.
-- Gives: settle, judged_by, settle_many.

-- Who tried a proxy that is down brings no verdict. That a domain blocks it shows that
-- it works; of nothing, the next one may make more, but not at once.
local function tried(proxy, d, h, new)
  if new.state or new.probe then return end
  rest_of(proxy, d)
  if d.probe ~= h.sid then return end
  if h.kind == "blocked" then
    recovered(proxy, d, new)
  else
    new.probe, new.due = "", now + 15000
    redis.call("ZADD", cooling, "XX", new.due, proxy)
  end
end

-- h: kind (ok, fault, refused, or anything else, which says nothing about the proxy),
-- fault (how much of a failure), most, cooldown, luck, ms, alpha, window, bytes, sid.
local function settle(proxy, h)
  local key = live .. proxy
  local f = redis.call("HMGET", key, "inflight", "state", "mode", "done", "success",
    "ema", "win", "n0", "bytes", "fails", "cools")
  if not f[1] then return end
  local d = {state = f[2], mode = f[3], done = tonumber(f[4])}
  if d.mode == "removed" and f[1] == "1" and forget(proxy) then return end
  local new = {inflight = f[1] - 1}
  if h.kind == "lost" then redis.call("HINCRBY", key, "lost", 1) end
  if h.kind ~= "lost" then new.done = d.done + 1 end
  if h.bytes > 0 then new.bytes = f[9] + h.bytes end
  if h.kind == "ok" or h.kind == "fault" or h.kind == "refused" then
    local n0, bad = tonumber(f[8]), h.kind ~= "ok"
    local well = d.state == "healthy" and f[10] == "0" and f[11] == "0"
    local over = math.floor((now - f[7]) / h.window)
    if bad or not well or over > 0 then rest_of(proxy, d) end
    -- A window that slides: this one's counts (n0, f0) and the last one's (n1, f1).
    if over > 0 then
      new.win, new.n1, new.f1 = f[7] + over * h.window, n0, d.f0
      if over > 1 then new.n1, new.f1 = 0, 0 end
      n0, new.f0 = 0, 0
    end
    new.n0 = n0 + 1
    new.success = string.format("%.4f", f[5] + 0.2 * ((bad and 1 - h.fault or 1) - f[5]))
    if not bad and h.ms then
      local ema = tonumber(f[6])
      new.ema = string.format("%.3f", ema == 0 and h.ms or ema + h.alpha * (h.ms - ema))
    end
    if bad then failed(proxy, d, h, new) elseif d.fails then recovered(proxy, d, new) end
  end
  if d.state == "unhealthy" or d.state == "dead" then tried(proxy, d, h, new) end
  local fields = {}
  for name, value in pairs(new) do
    fields[#fields + 1], fields[#fields + 2] = name, value
  end
  redis.call("HSET", key, unpack(fields))
end

-- health: "failures cooldown-ms alpha window-ms"; puts what it says into h.
local function judged_by(h, health, luck)
  local most, cooldown, alpha, window = string.match(health, "^(%S+) (%S+) (%S+) (%S+)$")
  h.most, h.cooldown, h.alpha = tonumber(most), tonumber(cooldown), tonumber(alpha)
  h.window, h.luck = tonumber(window), tonumber(luck)
  return h
end

-- So many requests of one lease that went well, h.ms each: one settlement, and what as
-- many more would have added.
local function settle_many(proxy, count, h, health, luck)
  settle(proxy, judged_by(h, health, luck))
  if count == 1 then return end
  local key, more = live .. proxy, count - 1
  local d = redis.call("HMGET", key, "done", "n0", "success", "ema")
  redis.call("HSET", key, "done", d[1] + more, "n0", d[2] + more,
    "success", string.format("%.4f", 1 - (1 - d[3]) * 0.8 ^ more),
    "ema", string.format("%.3f", h.ms + (d[4] - h.ms) * (1 - h.alpha) ^ more))
end
