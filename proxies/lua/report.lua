-- Tell how a test of a proxy went that was made outside of any session.
-- KEYS: 1 static prefix, 2 live prefix, 3 usable, 4 registry, 5 index prefix,
--       6 cooling, 7 audit
-- ARGV: 1 proxy id, 2 kind, 3 fault, 4 failures that trip, 5 first cool-down ms,
--       6 luck 0..1, 7 elapsed ms, 8 alpha, 9 window ms
-- Returns: the proxy's state, "" when there is no such proxy

--@include proxies/_clock
local static, live, usable, registry, indexes, cooling, audit = unpack(KEYS)
local proxy, kind, fault, most, cooldown, luck, ms, alpha, window = unpack(ARGV)
--@include proxies/_index
--@include proxies/_health
--@include proxies/_settle

if redis.call("EXISTS", live .. proxy) == 0 then return "" end
-- Counted as a request like any other, and as the probe of a cooling proxy.
redis.call("HINCRBY", live .. proxy, "inflight", 1)
redis.call("HINCRBY", live .. proxy, "started", 1)
if kind ~= "none" and kind ~= "blocked" then
  redis.call("HSET", live .. proxy, "probe", "?")
end
settle(proxy, {kind = kind, fault = tonumber(fault), most = tonumber(most),
  cooldown = tonumber(cooldown), luck = tonumber(luck), ms = tonumber(ms),
  alpha = tonumber(alpha), window = tonumber(window), bytes = 0, sid = "?"})
return redis.call("HGET", live .. proxy, "state") or ""
