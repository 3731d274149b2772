-- Fragment: the time, from the server, so that no worker's clock matters.
-- Gives: now (milliseconds).

local clock = redis.call("TIME")
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
