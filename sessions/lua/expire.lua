-- One bounded step of the clean-up: sessions whose time is over.
-- KEYS: as in sessions/_keys
-- ARGV: 1 batch
-- Returns: {sessions looked at, removed as idle, removed as too old, names of those that
--          cannot be removed}

--@include proxies/_clock
--@include sessions/_keys
local batch = tonumber(ARGV[1])
--@include proxies/_leave
--@include sessions/_lived
--@include sessions/_expire

return {expire(batch)}
