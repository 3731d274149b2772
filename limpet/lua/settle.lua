-- Forget letters that are in SQL; one that was written anew meanwhile stays.
--
-- KEYS: 1 letters that wait
-- ARGV: 1 id of the first, then the letter as it was read, and so on for each
-- Returns: 1
for i = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    redis.call('HDEL', KEYS[1], ARGV[i])
  end
end
return 1
