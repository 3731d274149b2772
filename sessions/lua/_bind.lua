-- Fragment: a session gets a proxy, or another one.
-- Expects: sessions/_room, proxies/_choose, plan, policy.
-- Gives: create, move, none.

-- Why there is no proxy: an index is missing, or all are resting, or none fits.
local function none(sid)
  if missing then return {"I", missing} end
  redis.call("HINCRBY", counters, "no_proxy", 1)
  refused(sid, "no_proxy")
  local wait = held and 1000 or -1
  local due = redis.call("ZRANGE", cooling, 0, 15, "WITHSCORES")
  local more = #due == 32 and redis.call("ZCARD", cooling) > 16
  for i = 1, #due, 2 do
    local labels = redis.call("HGET", static .. due[i], "labels") or ""
    for filter in string.gmatch(plan, "([^,]+):[^,:]+") do
      if wait < 0 and belongs(labels, filter) and allowed(due[i]) then
        -- One that is due already is being tried by somebody.
        wait = math.max(1000, due[i + 1] - now)
      end
    end
  end
  -- Of the many that are due later, some may fit.
  if wait < 0 and more then wait = math.max(1000, due[32] - now) end
  return {"N", wait, redis.call("ZCARD", usable)}
end

local function create(sid)
  local ttl, max_age, most, full, _, o = string.match(policy,
    "^(%d+) (%d+) (%d+) (%a+) (%d+) (.+)$")
  if not room(tonumber(most), full == "evict") then
    redis.call("HINCRBY", counters, "pool_full", 1)
    refused(sid, "pool_full")
    return nil, {"L", tonumber(most)}
  end
  local proxy = pick(plan, sid, "first")
  if not proxy then return nil, none(sid) end
  redis.call("HINCRBY", loads, proxy, 1)
  redis.call("HINCRBY", counters, "created", 1)
  local ends = now + max_age
  local s = {p = proxy, g = 1, x = math.min(now + ttl, ends), a = ends, t = ttl, n = 0,
    m = max_age, k = "", i = redis.call("HINCRBY", counters, "incarnation", 1)}
  -- A small hash is searched from its beginning: what each request needs comes first.
  redis.call("HSET", sessions .. sid, "p", proxy, "d", 0, "x", s.x, "n", 0, "i", s.i,
    "k", "", "a", ends, "t", ttl, "m", max_age)
  if o == "srk-:0:1:0" then o = nil else redis.call("HSET", sessions .. sid, "o", o) end
  redis.call("ZADD", expiry, s.x, sid)
  event(sid, "created", "proxy", proxy)
  return s, options(o)
end

-- Moves the session, whose fields are s, to the proxy; leases are the caller's affair.
local function move(sid, s, o, proxy, why)
  local from = s.p
  -- Of what may fail, nothing is done by halves: a count that is none ends it here.
  redis.call("HINCRBY", loads, proxy, 1)
  s.p, s.g = proxy, (s.g or 1) + 1
  redis.call("HSET", sessions .. sid, "p", proxy, "g", s.g)
  leave(from)
  redis.call("HINCRBY", counters, "failovers", 1)
  event(sid, "rebound", "from", from, "proxy", proxy, "reason", why)
  if o.clear then
    redis.call("UNLINK", states .. sid)
    s.v = next_version()
    redis.call("HSET", sessions .. sid, "v", s.v)
  end
end
