-- End those of some sessions that nobody has used for long, and nobody uses now.
-- KEYS: as in sessions/_keys
-- ARGV: 1 how long, in ms; 2 and on: session ids
-- Returns: how many were ended

--@include proxies/_clock
--@include sessions/_keys
local idle = tonumber(ARGV[1])
--@include proxies/_leave
--@include sessions/_session

local ended = 0
for i = 2, #ARGV do
  local s = redis.pcall("HMGET", sessions .. ARGV[i], "p", "x", "d", "t")
  local expires, deadline, ttl = tonumber(s[2]), tonumber(s[3]), tonumber(s[4])
  local known = s[1] and expires and deadline and ttl
  if known and deadline <= now and expires - ttl <= now - idle then
    remove(ARGV[i], s[1], "idle")
    ended = ended + 1
  end
end
return ended
