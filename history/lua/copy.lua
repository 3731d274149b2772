-- Sessions as they are, each of one moment: what it is, and what it carries if that is
-- not what the caller has.
-- KEYS: as in sessions/_keys
-- ARGV: 1 and on: a session id, and the state version that the caller has or "", of each
-- Returns: for each its hash as a flat list, empty for no session, {"damaged", ""} for one
--          that cannot be read; and its state or false

--@include sessions/_keys

local found = {}
for i = 1, #ARGV, 2 do
  local sid, known = ARGV[i], ARGV[i + 1]
  local fields = redis.pcall("HGETALL", sessions .. sid)
  local version = not fields.err and redis.call("HGET", sessions .. sid, "v")
  local state = version and version ~= known and redis.pcall("GET", states .. sid) or false
  local damaged = fields.err or (state and type(state) == "table")
  found[i] = damaged and {"damaged", ""} or fields
  found[i + 1] = not damaged and state
end
return found
