-- Fragment: what any script may do with the proxies of its pool.
-- Expects: usable (zset proxy -> turn), cooling (zset proxy -> due), live (key prefix
-- of the proxies' live hashes), now (milliseconds).
-- Gives: enter, revive_due, pick, settle, and those of proxies/_leave.
--@include proxies/_leave

-- Newcomers join at the head's turn: behind nobody, and with no backlog to catch up.
local function enter(proxy)
  local head = redis.call("ZRANGE", usable, 0, 0, "WITHSCORES")
  redis.call("ZADD", usable, "NX", head[2] or 0, proxy)
end

local function revive(proxy)
  redis.call("ZREM", cooling, proxy)
  if redis.call("HGET", live .. proxy, "state") == "cooling" then
    redis.call("HSET", live .. proxy, "state", "up")
    enter(proxy)
  end
end

-- Two a call bound the work; the clean-up revives the rest.
local function revive_due(most)
  local due = redis.call("ZRANGEBYSCORE", cooling, "-inf", now, "LIMIT", 0, most)
  for i = 1, #due do revive(due[i]) end
  return #due
end

-- Round-robin by stride: the proxy whose turn is lowest moves one turn on.
local function pick()
  local head = redis.call("ZRANGE", usable, 0, 0, "WITHSCORES")
  if not head[1] then return nil end
  redis.call("ZADD", usable, head[2] + 1, head[1])
  redis.call("HINCRBY", live .. head[1], "sessions", 1)
  return head[1]
end

-- A lease on the proxy has ended. fault: below 0 a success, 0 says nothing, else how
-- much of a failure it was. At most failures in a row the proxy cools down, twice as
-- long each time, spread by luck (0..1) over the upper half so that proxies which
-- failed together do not return together.
local function settle(proxy, fault, most, cooldown, luck)
  local key = live .. proxy
  local d = redis.call("HMGET", key, "state", "fails", "cools")
  if not d[1] then return end
  redis.call("HINCRBY", key, "inflight", -1)
  redis.call("HINCRBY", key, "done", 1)
  if fault == 0 then return end
  if fault < 0 then
    redis.call("HSET", key, "fails", 0, "cools", 0)
    return
  end
  local fails = d[2] + fault
  redis.call("HINCRBY", key, "faults", 1)
  if fails < most or d[1] ~= "up" then
    redis.call("HSET", key, "fails", fails)
    return
  end
  local wait = math.min(3600000, cooldown * 2 ^ d[3]) * (0.5 + luck / 2)
  local due = math.floor(now + wait)
  -- Back from the cool-down, the first failure sends it away again.
  redis.call("HSET", key, "state", "cooling", "fails", most - 1, "due", due)
  redis.call("HSET", key, "cools", math.min(d[3] + 1, 16))
  redis.call("ZREM", usable, proxy)
  redis.call("ZADD", cooling, due, proxy)
end
