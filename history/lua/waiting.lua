-- What a stream holds after an entry.
-- KEYS: 1 stream
-- ARGV: 1 id of the entry, 2 how many to return
-- Returns: {entries after it, 1 if it is still there or else 0, id of the last one of the
--          stream or ""}

local stream = KEYS[1]
local after, most = unpack(ARGV)

local last = redis.call("XREVRANGE", stream, "+", "-", "COUNT", 1)
return {
  redis.call("XRANGE", stream, "(" .. after, "+", "COUNT", most),
  #redis.call("XRANGE", stream, after, after),
  last[1] and last[1][1] or "",
}
