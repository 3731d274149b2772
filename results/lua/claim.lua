-- Take an idempotency key for a job, or say whose it is. Safe to run twice.
-- KEYS: 1 claim
-- ARGV: 1 task id, 2 fingerprint of the job, 3 window in ms, 4 hold in ms: so long it
--       stays taken if its holder is never heard of again
-- Returns: {status, task id}; "F" it is this task's, "R" another one's that is not done,
--          "D" that of a job that is done, "X" that of a job that is another one

--@include proxies/_clock
local key = KEYS[1]
local task, print, window, hold = unpack(ARGV)

local c = redis.call("HMGET", key, "t", "s", "f", "u")
if not c[1] then
  local ends = now + window
  redis.call("HSET", key, "t", task, "s", "run", "f", print, "u", ends)
  redis.call("PEXPIRE", key, hold)
  return {"F", task}
end
if c[3] ~= print then return {"X", c[1]} end
if c[2] == "done" then return {"D", c[1]} end
if c[1] ~= task then return {"R", c[1]} end
redis.call("PEXPIRE", key, hold)
return {"F", task}
