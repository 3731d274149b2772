-- Begin a run of an upkeep task, unless it is done already or another one is under way.
--
-- KEYS: 1 lock, 2 record, 3 who took this slot
-- ARGV: 1 token of the run, 2 how long the lock holds unrenewed in ms, 3 message id,
--       4 when beat sent the message, in ms (0: it was not beat), 5 worker
-- Returns: {"go", now in ms}, or {why not, 0}: "done" a message of this slot was taken
--          before, "late" a run has begun since it was sent, "busy" one is under way

local lock, record, slot = KEYS[1], KEYS[2], KEYS[3]
local token, hold, id, sent, worker = unpack(ARGV)
local clock = redis.call("TIME")
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
--@include limpet/_sound
--@include limpet/_add
sound(lock, "string")
sound(record, "hash")
sound(slot, "string")

-- A full Redis lets a script whose first write takes no room: the clean-up that makes
-- some must be able to begin.
redis.call("HDEL", record, "")
local started = tonumber(redis.call("HGET", record, "started")) or 0
-- The same call, sent again after a lost reply.
if redis.call("GET", lock) == token then return {"go", started} end
if tonumber(sent) > 0 then
  local taken = redis.call("GET", slot)
  if taken and taken ~= id then return {"done", 0} end
  -- What is sent again, since it failed or its worker died, goes on. So does all that is
  -- sent after the clock was put back behind the last run.
  local run_since = started >= tonumber(sent) and started <= now
  if not taken and run_since then return {"late", 0} end
end
if not redis.call("SET", lock, token, "NX", "PX", hold) then
  add("overlaps")
  return {"busy", 0}
end
if tonumber(sent) > 0 then redis.call("SET", slot, id, "PX", 86400000) end
redis.call("HSET", record, "started", now, "worker", worker, "run", token)
redis.call("HSETNX", record, "first", now)
return {"go", now}
