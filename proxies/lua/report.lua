-- Tell how a test of a proxy went that was made outside of any session.
-- KEYS: 1 static prefix, 2 live prefix, 3 usable, 4 registry, 5 index prefix,
--       6 cooling, 7 audit, 8 sessions of each, 9 counters
-- ARGV: 1 proxy id, 2 kind, 3 fault, 4 failures that trip, 5 first cool-down ms,
--       6 luck 0..1, 7 elapsed ms, 8 alpha, 9 window ms, 10 who tried it: the token
--       of a turn, or "?" for whom a person sent, 11 the address that it left from, or ""
-- Returns: {state, "" when there is no such proxy; 1 if sessions of it have another
--          address now, else 0}

--@include proxies/_clock
local static, live, usable, registry, indexes, cooling, audit, loads, counters =
  unpack(KEYS)
local proxy, kind, fault, most, cooldown, luck, ms, alpha, window, by, exit = unpack(ARGV)
--@include proxies/_index
--@include proxies/_health
--@include proxies/_forget
--@include proxies/_settle
--@include proxies/_exit

if redis.call("EXISTS", live .. proxy) == 0 then return {"", 0} end
-- Counted as a request like any other, and as the probe of a cooling proxy.
redis.call("HINCRBY", live .. proxy, "inflight", 1)
-- A person need not wait for a turn; who had one and is late has lost it.
if by == "?" and kind ~= "none" and kind ~= "blocked" then
  redis.call("HSET", live .. proxy, "probe", "?")
end
settle(proxy, {kind = kind, fault = tonumber(fault), most = tonumber(most),
  cooldown = tonumber(cooldown), luck = tonumber(luck), ms = tonumber(ms),
  alpha = tonumber(alpha), window = tonumber(window), bytes = 0, sid = by})
local changed = exit ~= "" and left_from(proxy, exit) or 0
return {redis.call("HGET", live .. proxy, "state") or "", changed}
