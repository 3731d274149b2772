-- Fragment: the choice of a proxy for a session that needs one.
-- Expects: registry, cooling, lease (ms), luck (0..1), and proxies/_order.
-- Gives: pick, missing (the index that has to be built first, if one has to be).

local missing
local budget = 16

local function chosen_by(strategy)
  --@insert strategies
  error("no strategy is called " .. strategy)
end

-- Half-open: one session at a time may try a proxy whose cool-down has ended. If its
-- holder dies, the turn is free again when the lease would have ended. Of many that
-- are due, any eight are looked at: those that fit nobody must not hide the others.
local function probe(filter, sid)
  local most = redis.call("ZCOUNT", cooling, "-inf", now)
  if most == 0 then return nil end
  local start = math.floor(luck * math.max(1, most - 7))
  local due = redis.call("ZRANGE", cooling, start, math.min(start + 8, most) - 1)
  for i = 1, #due do
    local labels = redis.call("HGET", static .. due[i], "labels") or ""
    local mode = redis.call("HGET", live .. due[i], "mode")
    if mode == "" and belongs(labels, filter) and candidate(due[i]) then
      redis.call("ZADD", cooling, now + lease, due[i])
      redis.call("HSET", live .. due[i], "due", now + lease, "probe", sid)
      return due[i]
    end
  end
end

-- plan: "filter:strategy"; further ones, each after a comma, are fallbacks. probes:
-- "first" for who has nothing to lose by a proxy that may still be down, else "last".
local function pick(plan, sid, probes)
  for filter, strategy in string.gmatch(plan, "([^,]+):([^,:]+)") do
    index = filter .. ":" .. strategy
    if redis.call("HGET", registry, index) ~= "1" then
      missing = index
      return nil
    end
    local chosen = probes == "first" and probe(filter, sid)
    chosen = chosen or chosen_by(strategy)
    -- Each costs as much as there are indexes: of many at once, the next calls have some.
    while #over > 0 and budget > 0 do
      local gone = table.remove(over)
      quit(gone)
      redis.call("ZREM", cooling, gone)
      budget = budget - 1
    end
    held = held or #over > 0
    over = {}
    if chosen then return chosen end
  end
  if probes == "last" then
    for filter in string.gmatch(plan, "([^,]+):[^,:]+") do
      local chosen = probe(filter, sid)
      if chosen then return chosen end
    end
  end
end
