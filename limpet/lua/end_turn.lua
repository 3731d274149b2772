-- Write down how a run of an upkeep task ended, and let go of its lock.
--
-- KEYS: 1 lock, 2 record
-- ARGV: 1 token of the run, 2 when it began in ms, 3 mark: "." it went well, "x" not,
--       4 its result as JSON, or ""; 5 what went wrong, or ""
-- Returns: 1, or 0 when it had been written down before, -1 when another run has begun
--          since: what that one writes, or has written, stays

local lock, record = KEYS[1], KEYS[2]
local token, started, mark, result, problem = unpack(ARGV)
local clock = redis.call("TIME")
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
--@include limpet/_sound
--@include limpet/_add
sound(lock, "string")
sound(record, "hash")

-- A full Redis lets a script whose first write takes no room.
redis.call("HDEL", record, "")
if redis.call("GET", lock) == token then redis.call("DEL", lock) end
-- The same call, sent again after a lost reply.
if redis.call("HGET", record, "token") == token then return 0 end
local last = redis.call("HGET", record, "run")
if last and last ~= token then
  add("overtaken")
  return -1
end
local recent = (redis.call("HGET", record, "recent") or "") .. mark
-- The clock may have been put back meanwhile.
redis.call("HSET", record, "token", token, "ended", now, "ms", math.max(0, now - started),
  "recent", string.sub(recent, -100), "error", problem)
add("runs")
if mark == "x" then
  add("failures")
  add("in_row")
else
  redis.call("HSET", record, "in_row", 0, "ok", now, "result", result)
end
return 1
