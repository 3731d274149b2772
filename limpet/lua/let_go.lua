-- Be the active beat no more.
--
-- KEYS: 1 who is active
-- ARGV: 1 token of this beat
-- Returns: 1, or 0 when it was not active

if redis.call("GET", KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call("DEL", KEYS[1])
