-- Fragment: which proxy a session is bound to. Nothing is scanned: a pick looks at the
-- head of its index, and only bans and full proxies make it look further.
-- Expects: now, live, loads, banned (the domain's hash, or ""), excluded (",id,id," or "").
-- Gives: allowed, candidate, hidden (how many are excluded), index (its name, to be
-- set), over, held (true once a proxy was passed over since it is full or banned),
-- looked (at how many).

local held = false
local looked = 0
-- Proxies met whose time is over: who chose takes them out of the indexes afterwards,
-- lest those shift under its hands.
local over = {}
local _, hidden = string.gsub(excluded, "%x+", "")
local index

local function allowed(proxy)
  if string.find(excluded, "," .. proxy .. ",", 1, true) then return false end
  if banned == "" then return true end
  local ban = redis.call("HGET", banned, proxy)
  if not ban or tonumber(string.match(ban, "^%d+")) <= now then return true end
  held = true
  return false
end

-- What a strategy may look at; nil when the proxy cannot take a session now.
local function candidate(proxy)
  looked = looked + 1
  if not allowed(proxy) then return nil end
  local d = redis.call("HMGET", live .. proxy, "inflight", "cap", "state", "weight",
    "ema", "ends")
  local ends, cap = tonumber(d[6]), tonumber(d[2])
  if ends > 0 and ends <= now then
    over[#over + 1] = proxy
    return nil
  end
  local p = {inflight = tonumber(d[1]), weight = tonumber(d[4]), ema = tonumber(d[5])}
  if cap > 0 and p.inflight >= cap then
    held = true
    return nil
  end
  p.sessions = tonumber(redis.call("HGET", loads, proxy) or 0) or 0
  -- A degraded proxy keeps its sessions and gets a quarter of the new ones.
  p.share = d[3] == "degraded" and 4 or 1
  -- An unknown response time counts as 300 ms, or every pick would try the newcomer.
  if p.ema == 0 then p.ema = 300 end
  return p
end
