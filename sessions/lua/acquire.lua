-- Lease a session: keep its proxy, create it, or move it when its proxy will not do.
-- KEYS: as in sessions/_keys
-- ARGV: 1 session id, 2 nonce, 3 lease ms, 4 policy "ttl max-age max-sessions full
--       rebinds options" (for a new session), 5 plan "filter:strategy,…", 6 excluded
--       ",id,id," or "", 7 domain or "", 8 state version that the caller has, 9 luck
-- Returns: {status, token, generation, proxy version, state version, state or false,
--          most leases}, the token being "proxy:incarnation:nonce:session"; status C
--          created, H held, F failed over, R the same lease again after a lost reply;
--          or a refusal: {"B", ms, why} busy, {"N", ms or -1, usable proxies} no proxy,
--          {"X", ms or -1, why} lost, {"L", most} pool full, {"I", index} build it first

--@include proxies/_clock
--@include sessions/_keys
local sid, nonce, lease, policy, plan, excluded, domain, known, luck = unpack(ARGV)
lease = tonumber(lease)
--@include sessions/_hold
--@include sessions/_hit
--@insert later_keys
local banned = domain ~= "" and bans .. domain or ""
luck = tonumber(luck)
--@include proxies/_index
--@include proxies/_leave
--@include proxies/_health
--@include proxies/_settle
--@include proxies/_pick
--@include proxies/_order
--@include proxies/_choose
--@include sessions/_session
--@include sessions/_bury
--@include sessions/_expire
--@include sessions/_room
--@include sessions/_bind
--@include sessions/_failover
--@include sessions/_take

return take(sid, true)
