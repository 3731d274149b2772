-- Proxies that no session seems to have any more: those that were removed are forgotten.
-- KEYS: as in sessions/_keys
-- ARGV: 1 and on: their ids
-- Returns: nothing

--@include sessions/_keys
--@include proxies/_leave

for i = 1, #ARGV do leave(ARGV[i], 0) end
