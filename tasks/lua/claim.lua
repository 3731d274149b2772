-- Take messages, record them as unacked, and acknowledge others: all in one step, so that
-- a worker that dies has either not taken a message or left a record. A message that is
-- for later is put where it waits; one that has waited long enough comes from there.
--
-- KEYS: 1 unacked hash, 2 its index, 3 the index of what we hold, 4 those not begun,
--   5 the parked hash, 6 the waiting hash, then for each queue when those that wait are
--   due, then the lists in order of claim
-- ARGV: 1 most to take, 2 number of acks, 3 number of queues, 4 and on: the tags to ack,
--   then the queues
-- Returns: seconds until there may be more ('': unknown), then for each message taken:
--   queue, delivery tag, the message as it was sent
local unacked, index, ours, idle = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local parked, waiting = KEYS[5], KEYS[6]
local room, acks, queues = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local clock = redis.call('TIME')
local now = clock[1] .. '.' .. string.format('%06d', clock[2])
local time = tonumber(now)
local taken, looks = { '' }, room + 500

-- A key of another type must fail before anything is taken off a list.
local asleep = redis.call('HLEN', waiting) > 0
redis.call('HLEN', parked)
redis.call('HLEN', unacked)
redis.call('ZCARD', index)
redis.call('ZCARD', ours)
redis.call('SCARD', idle)

if acks > 0 then
  redis.call('HDEL', unacked, unpack(ARGV, 4, acks + 3))
  redis.call('ZREM', index, unpack(ARGV, 4, acks + 3))
  redis.call('ZREM', ours, unpack(ARGV, 4, acks + 3))
  redis.call('SREM', idle, unpack(ARGV, 4, acks + 3))
end

--@include tasks/_due
--@include tasks/_keep
--@include tasks/_read
--@include tasks/_record

local function wake(most)
  for q = 1, asleep and queues or 0 do
    local ids = redis.call('ZRANGEBYSCORE', KEYS[6 + q], '-inf', now, 'LIMIT', 0, most)
    for _, id in ipairs(ids) do
      local text = redis.call('HGET', waiting, id)
      redis.call('ZREM', KEYS[6 + q], id)
      redis.call('HDEL', waiting, id)
      if text then
        take(read(text), text, ARGV[acks + 3 + q])
        most = most - 1
      end
    end
  end
end

-- Half of the room is for those that have waited: neither keeps the other from its turn.
wake(math.floor((room + clock[2] % 2) / 2))
for i = 7 + queues, #KEYS do
  local q = (i - 7 - queues) % queues + 1
  while room > 0 and looks > 0 do
    -- First of the writes, so that a Redis that is full can still be emptied.
    local text = redis.pcall('RPOP', KEYS[i])
    if type(text) ~= 'string' then
      break
    end
    looks = looks - 1
    sort(text, q)
  end
end
if room > 0 then
  wake(room)
  taken[1] = looks > 0 and soonest() or '0'
end
return taken
