-- What is known of the active beat, and of the runs of upkeep tasks, at one moment.
--
-- KEYS: 1 who is active, 2 what is known of it, 3 when each entry was sent last,
--       4 and on: records of runs
-- ARGV: none
-- Returns: {the time as TIME tells it, 1 while a beat is active, then for each of the
--          other keys its hash, or the error where it is none}

local active, beat, sent = KEYS[1], KEYS[2], KEYS[3]
local found = {
  redis.call("TIME"), redis.call("EXISTS", active),
  redis.pcall("HGETALL", beat), redis.pcall("HGETALL", sent),
}
for i = 4, #KEYS do found[i + 1] = redis.pcall("HGETALL", KEYS[i]) end
return found
