-- Replace a session's state without a lease, if it is still the one that was read.
-- KEYS: as in sessions/_keys
-- ARGV: 1 session id, 2 version that was read, 3 new state, 4 nonce of this call
-- Returns: {"K", new version}; {"V", its version} it is another; {"G", -1} no session;
--          {"B", ms} it is leased to one holder, who alone may write it

--@include proxies/_clock
--@include sessions/_keys
local sid, expected, blob, nonce = unpack(ARGV)
--@include proxies/_index
--@include proxies/_leave
--@include proxies/_health
--@include proxies/_settle
--@include sessions/_session
--@include sessions/_bury

local key = sessions .. sid
local again = answered .. "put:" .. nonce .. ":" .. sid
local before = redis.call("GET", again)
if before then return {"K", before} end
local f = redis.call("HMGET", key, "a", "i", "v", "o", "d", "u", "p", "k")
if not f[1] then return {"G", -1} end
local s = {a = f[1], i = f[2], v = f[3] or f[2], o = f[4], d = tonumber(f[5]), u = f[6],
  p = f[7], k = f[8]}
if s.v ~= expected then return {"V", s.v} end
local o = options(s.o)
if o.leases == 1 and s.d > now then return {"B", s.d - now} end
if o.leases == 1 and s.d > 0 then
  -- Should its holder only be late, then what it brings is older than this.
  dismiss(sid, s, o, s.u)
end
redis.call("SET", states .. sid, blob, "PX", math.max(1, s.a - now) + 60000)
local version = next_version()
redis.call("HSET", key, "v", version)
redis.call("SET", again, version, "PX", 60000)
return {"K", version}
