-- The first half of sessions/expire alone: the leases of dead holders.
-- KEYS: as in sessions/_keys
-- ARGV: 1 batch
-- Returns: how many were settled; as many as asked for means that there may be more

--@include proxies/_clock
--@include sessions/_keys
local batch = tonumber(ARGV[1])
--@include proxies/_index
--@include proxies/_leave
--@include proxies/_health
--@include proxies/_settle
--@include sessions/_session
--@include sessions/_bury

return bury(batch)
