-- What a pool holds, in constant time.
-- KEYS: 1 expiry, 2 leases, 3 counters, 4 usable, 5 cooling
-- ARGV: none
-- Returns: {sessions, expired but not yet removed, leases, usable proxies,
--          cooling proxies, now in ms, counters as a flat list}

--@include proxies/_clock
local expiry, leases, counters, usable, cooling = unpack(KEYS)

return {
  redis.call("ZCARD", expiry), redis.call("ZCOUNT", expiry, "-inf", now),
  redis.call("ZCARD", leases), redis.call("ZCARD", usable),
  redis.call("ZCARD", cooling), now, redis.call("HGETALL", counters),
}
