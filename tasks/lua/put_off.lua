-- Put a message where it waits until it is due.
--
-- KEYS: 1 the waiting hash, 2 when its queue's are due
-- ARGV: 1 id of its job, 2 the message, 3 when it is due (Unix time)
-- Returns: 1
local waiting, times = KEYS[1], KEYS[2]
local id, text, at = ARGV[1], ARGV[2], ARGV[3]
local clock = redis.call('TIME')
--@include tasks/_keep
keep_until(waiting, times, id, text, at, clock[1] .. '.' .. clock[2])
return 1
