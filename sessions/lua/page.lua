-- Some sessions by when they expire, with what a table says of them, and how many there
-- are. A time that has grown since is put in order once it would have been over.
-- KEYS: as in sessions/_keys
-- ARGV: 1 how many to pass over, 2 how many to give, 3 whether the last ones come first
-- Returns: {sessions, expired but not yet removed, leases, now in ms, then for each its
--          name and its fields: names and values in turn, a line feed between; empty
--          where there is no record, 0 for what is none of ours}

--@include proxies/_clock
--@include sessions/_keys

local start, count, last_first = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] == "1"
-- No record of ours has so many fields; one that has may be of any size.
local most = 40

local function record(key)
  local fields = redis.pcall("HLEN", key)
  if type(fields) == "table" or fields > most then return 0 end
  return table.concat(redis.call("HGETALL", key), "\n")
end

local under_way = redis.pcall("ZCARD", leases)
local found = {
  redis.call("ZCARD", expiry), redis.call("ZCOUNT", expiry, "-inf", now),
  type(under_way) == "number" and under_way or 0, now,
}
if count < 1 then return found end
local names = redis.call(last_first and "ZREVRANGE" or "ZRANGE", expiry, start,
  start + count - 1)
for i = 1, #names do
  found[2 * i + 3] = names[i]
  found[2 * i + 4] = record(sessions .. names[i])
end
return found
