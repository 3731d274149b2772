-- Put messages that nobody works on back on their lists. Safe to run twice: only who
-- removes the record may put the message back.
--
-- KEYS: 1 unacked hash, 2 its index, 3 the index of what we hold, 4 those not begun,
--   5 and on: the list of each message
-- ARGV: for each message: delivery tag, ``first`` or ``last`` in its list, the message
-- Returns: how many were put back
local unacked, index, ours, idle = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local back = 0
for i = 5, #KEYS do
  local at = (i - 5) * 3 + 1
  local tag, place, text = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  if redis.call('HDEL', unacked, tag) == 1 then
    redis.call(place == 'first' and 'RPUSH' or 'LPUSH', KEYS[i], text)
    back = back + 1
  end
  redis.call('ZREM', index, tag)
  redis.call('ZREM', ours, tag)
  redis.call('SREM', idle, tag)
end
return back
