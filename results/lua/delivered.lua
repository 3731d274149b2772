-- Say how the delivery of a webhook went. Safe to run twice.
-- KEYS: 1 delivery, 2 its receiver
-- ARGV: 1 token of this try, 2 what it is now ("done" or "sent"), 3 ms to keep that,
--       4 ms that the receiver is to rest, or 0
-- Returns: 1, or 0 when another worker is at it by now

local delivery, receiver = unpack(KEYS)
local token, now_is, keep, rest = unpack(ARGV)

if tonumber(rest) > 0 then redis.call("SET", receiver, "1", "PX", rest) end
local held = redis.call("GET", delivery)
-- What was delivered is, whoever has it by now.
if now_is ~= "done" and held ~= token then return 0 end
redis.call("SET", delivery, now_is, "PX", keep)
return 1
