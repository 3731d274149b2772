-- What a pool holds; the cost does not grow with it.
-- KEYS: as in sessions/_keys
-- ARGV: none
-- Returns: {sessions, expired but not yet removed, leases, warm sessions, usable
--          proxies, cooling proxies, now in ms, counters, response times, lifetimes and
--          times of pages in a browser as flat lists, keys that cannot be read, which
--          count as empty}

--@include proxies/_clock
--@include sessions/_keys

local broken = {}

local function read(nothing, command, key, ...)
  local found = redis.pcall(command, key, ...)
  if type(found) == "table" and found.err then
    broken[#broken + 1] = key
    return nothing
  end
  return found
end

-- Nobody wants to know its length, but that it is a stream.
read(0, "XLEN", audit)
return {
  read(0, "ZCARD", expiry), read(0, "ZCOUNT", expiry, "-inf", now),
  read(0, "ZCARD", leases), read(0, "ZCARD", warm), read(0, "ZCARD", usable),
  read(0, "ZCARD", cooling), now, read({}, "HGETALL", counters),
  read({}, "HGETALL", times), read({}, "HGETALL", lifetimes),
  read({}, "HGETALL", render_times), broken,
}
