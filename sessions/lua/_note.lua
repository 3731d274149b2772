-- Fragment: what a session keeps of the requests that were made for it.
-- Expects: sessions/_keys, now, s (fields of the session).
-- Gives: change (fields and values for HSET), set, write.

local change = {}
local function set(name, value) change[#change + 1], change[#change + 2] = name, value end

-- A new state. The session removes it; should that never come, it goes when it had to end.
local function write(sid, blob)
  s.v = next_version()
  set("v", s.v)
  redis.call("SET", states .. sid, blob, "PX", math.max(1, s.a - now) + 60000)
end
