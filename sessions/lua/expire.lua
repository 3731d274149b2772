-- One bounded step of the clean-up: leases of dead holders, then sessions whose time is
-- over.
-- KEYS: as in sessions/_keys
-- ARGV: 1 batch: leases and sessions, together
-- Returns: {leases settled, sessions looked at, removed as idle, removed as too old,
--          names of those that cannot be removed}

--@include proxies/_clock
--@include sessions/_keys
local batch = tonumber(ARGV[1])
--@include proxies/_index
--@include proxies/_leave
--@include proxies/_health
--@include proxies/_settle
--@include sessions/_session
--@include sessions/_bury
--@include sessions/_expire

local settled = bury(batch)
return {settled, expire(batch - settled)}
