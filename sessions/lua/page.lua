-- Some sessions by when they expire, with what a table says of them. A time that has grown
-- since is put in order once it would have been over.
-- KEYS: as in sessions/_keys
-- ARGV: 1 how many to pass over, 2 how many to give, 3 whether the last ones come first,
--       4 fields that are wanted, and all after it
-- Returns: {how many there are, then for each its name and its fields: an empty list
--          where there is no record, false for a field that it has not; 0 for a key that
--          is no hash}

--@include sessions/_keys
local start, count, last_first = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] == "1"
local wanted = {unpack(ARGV, 4)}

local found = {redis.call("ZCARD", expiry)}
local names = redis.call(last_first and "ZREVRANGE" or "ZRANGE", expiry, start,
  start + count - 1)
for i = 1, #names do
  local fields = redis.pcall("HMGET", sessions .. names[i], unpack(wanted))
  found[2 * i] = names[i]
  found[2 * i + 1] = fields.err and 0 or fields
end
return found
