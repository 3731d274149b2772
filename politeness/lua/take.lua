-- Take a slot: one request may be sent to a domain, now or later.
-- KEYS: 1 state, 2 slots
-- ARGV: 1 nonce, 2 hold ms, 3 ms between two requests or 0, 4 burst, 5 most at a time
--       or 0, 6 longest wait that is told ms, 7 by how much longer this time, 0..1
-- Returns: {"T", turn before, turn after} taken, with any nonce once; {"F"} free: the
--          domain has no limit and nothing was written;
--          or a refusal: {"W", ms, why} with why rate, concurrency or paused

--@include proxies/_clock
local state, slots = unpack(KEYS)
local nonce, hold, interval, burst, most, longest, spread = unpack(ARGV)
hold, interval, burst, most, longest = tonumber(hold), tonumber(interval),
  tonumber(burst), tonumber(most), tonumber(longest)
local s = redis.call("HMGET", state, "t", "q", "u", "c", "ce")
local turn, queue, pause, crawl = tonumber(s[1] or 0), tonumber(s[2] or 0),
  tonumber(s[3] or 0), tonumber(s[5] or 0) > now and tonumber(s[4]) or 0

-- The same request again, after a lost reply.
if redis.call("ZSCORE", slots, nonce) then return {"T", s[1] or "0", s[1] or "0"} end
if pause > now then return {"W", pause - now, "paused"} end
if crawl > interval then interval, burst = crawl, 1 end
if interval == 0 and most == 0 then return {"F"} end

-- Whoever died with a slot gives it back here; what is over does not count, so it is
-- no matter if some is left for the next one.
local dead = redis.call("ZRANGEBYSCORE", slots, "-inf", now, "LIMIT", 0, 50)
if #dead > 0 then redis.call("ZREM", slots, unpack(dead)) end
if most > 0 and redis.call("ZCOUNT", slots, "(" .. now, "+inf") >= most then
  local first = redis.call("ZRANGEBYSCORE", slots, "(" .. now, "+inf", "WITHSCORES",
    "LIMIT", 0, 1)
  return {"W", math.max(1, math.ceil(first[2] - now)), "concurrency"}
end

local function write(...)
  redis.call("HSET", state, ...)
  local needed = math.ceil(math.max(turn - now, 0) + longest) + 60000
  if redis.call("PTTL", state) < needed then redis.call("PEXPIRE", state, needed) end
end

if interval > 0 then
  -- GCRA: `turn` is when the bucket would be full again.
  local opens = turn - (burst - 1) * interval
  if opens > now then
    -- Each one that is refused is told a time of its own, or all would come at once.
    local told = math.max(queue, opens)
    if told - now < longest then
      write("q", string.format("%.3f", told + interval))
    else
      told = now + longest
    end
    return {"W", math.ceil(told - now), "rate"}
  end
  turn = math.max(turn, now) + interval * (1 + spread)
end
local after = string.format("%.3f", turn)
if interval > 0 then write("t", after) end
redis.call("ZADD", slots, now + hold, nonce)
if redis.call("PTTL", slots) < hold + 60000 then
  redis.call("PEXPIRE", slots, hold + 60000)
end
return {"T", s[1] or "0", after}
