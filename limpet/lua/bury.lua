-- Keep a dead letter until it is in SQL, and count it.
--
-- KEYS: 1 letters that wait, 2 counts by reason
-- ARGV: 1 id, 2 the letter, 3 its reason
-- Returns: 1
if redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) == 1 then
  redis.call('HINCRBY', KEYS[2], ARGV[3], 1)
end
return 1
