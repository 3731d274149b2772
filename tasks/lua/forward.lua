-- Put messages that wait on their lists, whoever takes them there.
--
-- KEYS: 1 the waiting hash, 2 when its queue's are due, 3 and on: the list of each
-- ARGV: the id of each message
-- Returns: how many there were
local waiting, times = KEYS[1], KEYS[2]
local moved = 0
for i = 3, #KEYS do
  local id = ARGV[i - 2]
  local text = redis.call('HGET', waiting, id)
  if text then
    redis.call('LPUSH', KEYS[i], text)
    moved = moved + 1
  end
  redis.call('ZREM', times, id)
  redis.call('HDEL', waiting, id)
end
return moved
