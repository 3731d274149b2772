-- Put a message where it waits until it is due, known by its job's id so that it can be
-- called back.
-- Gives: keep_until(waiting hash, its times, id, message, due, now)
local again = 0

local function keep_until(waiting, times, id, text, due, now)
  if redis.call('HSETNX', waiting, id, text) == 0 then
    if redis.call('HGET', waiting, id) == text then
      return -- the same message twice: its sender did not hear of the first
    end
    -- Several of one id may come in one step, at one time.
    again = again + 1
    id = id .. '#' .. now .. '#' .. again
    redis.call('HSET', waiting, id, text)
  end
  redis.call('ZADD', times, string.format('%.6f', due), id)
end
