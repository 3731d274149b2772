-- Write down that an entry was sent.
--
-- KEYS: 1 who is the active beat, 2 when each entry was sent last
-- ARGV: 1 token of this beat, 2 entry, 3 when, in ms
-- Returns: 1, or 0 when another beat is active by now

if redis.call("GET", KEYS[1]) ~= ARGV[1] then return 0 end
-- A full Redis lets a script whose first write takes no room.
redis.call("HDEL", KEYS[2], "")
redis.call("HSET", KEYS[2], ARGV[2], ARGV[3])
return 1
