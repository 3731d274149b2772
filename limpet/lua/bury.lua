-- Keep a dead letter until it is in SQL, and count it.
--
-- KEYS: 1 letters that wait, 2 counts by reason
-- ARGV: 1 id, 2 the letter, 3 its reason, 4 most that may wait
-- Returns: 1, or 0 when so many wait that it was neither kept nor counted
local letters, counts = KEYS[1], KEYS[2]
local id, letter, reason, most = unpack(ARGV)

local new = redis.call('HEXISTS', letters, id) == 0
if new and redis.call('HLEN', letters) >= tonumber(most) then
  return 0
end
redis.call('HSET', letters, id, letter)
if new then
  redis.call('HINCRBY', counts, reason, 1)
end
return 1
