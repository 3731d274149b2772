-- Choose proxies to be tried out now: those whose cool-down is over, then, of the usable
-- ones, those that were never tried or not for long. Who tries a cooling one holds its
-- half-open turn, as a session would, and if he dies it is free again when that ends.
-- KEYS: 1 cooling, 2 usable, 3 live prefix, 4 where to go on among the usable ones
-- ARGV: 1 token, 2 the most to give out, 3 how long a turn lasts in ms, 4 after how many
--       ms one that is well is tried again, 5 the most usable ones to look at
-- Returns: {1 if usable ones are left to be looked at, then id and version of each}

--@include proxies/_clock
local cooling, usable, live, cursor = unpack(KEYS)
local token = ARGV[1]
local most, hold, again, look = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]),
  tonumber(ARGV[5])
local found = {0}

local function give(proxy, version)
  redis.call("HSET", live .. proxy, "tried", now)
  found[#found + 1], found[#found + 2] = proxy, version
  most = most - 1
end

-- Over its time, at as many requests as it may have, or damaged: not now.
local function free(d)
  local ends, cap, busy = tonumber(d[4]), tonumber(d[5]), tonumber(d[6])
  if not (d[1] and ends and cap and busy) then return false end
  return (ends == 0 or ends > now) and (cap == 0 or busy < cap)
end

-- None of what is no hash: an error has none of these numbers.
local function fields(proxy)
  return redis.pcall("HMGET", live .. proxy, "version", "mode", "state", "ends", "cap",
    "inflight", "tried")
end

-- A quarter is left for the others, however many are due.
local due = redis.call("ZRANGEBYSCORE", cooling, "-inf", now, "LIMIT", 0,
  math.ceil(most * 0.75))
for i = 1, #due do
  local d = fields(due[i])
  local ends = tonumber(d[4]) or 0
  if ends > 0 and ends <= now then
    redis.call("ZREM", cooling, due[i])
  else
    redis.call("ZADD", cooling, "XX", now + hold, due[i])
    if d[1] then redis.call("HSET", live .. due[i], "due", now + hold) end
    if d[2] == "" and free(d) then
      redis.call("HSET", live .. due[i], "probe", token)
      give(due[i], d[1])
    end
  end
end

local start = redis.call("GET", cursor)
local next = redis.call("ZRANGEBYLEX", usable, start and "(" .. start or "-", "+",
  "LIMIT", 0, look)
local seen = 0
while seen < #next and most > 0 do
  seen = seen + 1
  local d = fields(next[seen])
  local tried, wait = tonumber(d[7]) or 0, d[3] == "unknown" and hold or again
  if free(d) and tried + wait <= now then give(next[seen], d[1]) end
end
if seen == #next and seen < look then
  redis.call("DEL", cursor)
elseif seen > 0 then
  redis.call("SET", cursor, next[seen], "PX", 86400000)
  found[1] = seen == #next and 1 or 0
end
return found
