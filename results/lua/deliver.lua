-- Begin to deliver a webhook, unless it is delivered or another worker is at it.
-- KEYS: 1 delivery, 2 its receiver
-- ARGV: 1 token of this try, 2 hold in ms
-- Returns: {"G", 0} go on; {"D", 0} it is delivered; {"B", ms} wait so long for the
--          other worker, or for a receiver that rests

local delivery, receiver = unpack(KEYS)
local token, hold = unpack(ARGV)

local held = redis.call("GET", delivery)
if held == "done" then return {"D", 0} end
if held and held ~= "sent" and held ~= token then
  return {"B", math.max(1, redis.call("PTTL", delivery))}
end
local rest = redis.call("PTTL", receiver)
if rest > 0 then return {"B", rest} end
redis.call("SET", delivery, token, "PX", hold)
return {"G", 0}
