-- What a pool holds; the cost does not grow with it.
-- KEYS: as in sessions/_keys
-- ARGV: none
-- Returns: {sessions, expired but not yet removed, leases, warm sessions, usable
--          proxies, cooling proxies, now in ms, counters, response times and lifetimes as
--          flat lists}

--@include proxies/_clock
--@include sessions/_keys

return {
  redis.call("ZCARD", expiry), redis.call("ZCOUNT", expiry, "-inf", now),
  redis.call("ZCARD", leases), redis.call("ZCARD", warm), redis.call("ZCARD", usable),
  redis.call("ZCARD", cooling), now, redis.call("HGETALL", counters),
  redis.call("HGETALL", times), redis.call("HGETALL", lifetimes),
}
