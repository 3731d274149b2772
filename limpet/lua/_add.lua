-- Fragment: one more of what a record counts, whatever is there.
-- Expects: record.
-- Gives: add.

local function add(field)
  -- A number is no table, an error is one.
  local counted = redis.pcall("HINCRBY", record, field, 1)
  if type(counted) == "table" then redis.call("HSET", record, field, 1) end
end
