-- One bounded step of the clean-up: dead leases and expired sessions.
-- KEYS: as in sessions/_keys
-- ARGV: 1 batch
-- Returns: {sessions removed, leases settled, 1 if more is waiting}

--@include proxies/_clock
--@include sessions/_keys
local batch = tonumber(ARGV[1])
--@include proxies/_index
--@include proxies/_leave
--@include proxies/_health
--@include proxies/_settle
--@include sessions/_session
--@include sessions/_bury

local settled = bury(batch)
local seen, removed = expire(batch)
return {removed, settled, (settled == batch or seen == batch) and 1 or 0}
