-- Replace a session's state without a lease, if it is still the one that was read.
-- KEYS: as in sessions/_keys
-- ARGV: 1 session id, 2 version that was read, 3 new state, 4 nonce of this call
-- Returns: {"K", new version}; {"V", its version} it is another; {"G", -1} no session;
--          {"B", ms} it is leased to one holder, who alone may write it

--@include proxies/_clock
--@include sessions/_keys
local sid, expected, blob, nonce = unpack(ARGV)
--@include proxies/_leave
--@include sessions/_session

local key = sessions .. sid
local f = redis.call("HMGET", key, "v", "a", "o", "d", "k", "u")
local s = {v = f[1], a = f[2], o = f[3], d = tonumber(f[4]), k = f[5], u = f[6]}
if not s.v then return {"G", -1} end
if s.v ~= expected then
  -- Its own doing, if the reply was lost and it was sent again.
  local at = string.find(s.k, "-" .. nonce, 1, true)
  if not at then return {"V", s.v} end
  -- If others have written since, its version is past, and the next write will say so.
  return {"K", at == 1 and tonumber(s.v) or expected + 1}
end
local o = options(s.o)
if o.leases == 1 and s.d > now then return {"B", s.d - now} end
if o.leases == 1 and s.d > 0 then
  -- Should its holder only be late, then what it brings is older than this.
  fence(sid, o, s.u)
  s.k = ""
end
redis.call("SET", states .. sid, blob, "PX", math.max(1, s.a - now) + 60000)
-- Never a version that another life of the session had.
local version = math.max(s.v + 1, now)
redis.call("HSET", key, "v", version, "k", string.sub("-" .. nonce .. s.k, 1, 54))
return {"K", version}
