-- Give a slot back.
-- KEYS: 1 state, 2 slots
-- ARGV: 1 nonce, 2 turn before, 3 turn after; the turns are "" if the slot was used
-- Returns: 1 given back, 0 it was over or given back before

local state, slots = unpack(KEYS)
local nonce, before, after = unpack(ARGV)

if redis.call("ZREM", slots, nonce) == 0 then return 0 end
-- Nobody has taken a turn since: this one can be taken back.
if after ~= "" and before ~= after and redis.call("HGET", state, "t") == after then
  redis.call("HSET", state, "t", before)
end
return 1
