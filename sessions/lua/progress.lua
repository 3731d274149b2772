-- Hold a lease for longer, and tell of the requests that went well meanwhile.
-- KEYS: as in sessions/_keys
-- ARGV: 1 session id, 2 token, 3 lease ms from now, 4 nonce of this call, 5 how many
--       requests, 6 the ms that they took together, 7 bytes, 8 last URL, 9 health and
--       10 luck as for release, 11 new state or "", 12 whether another request is to
--       follow, "1" or "0", 13 and on: upper bound of a time bucket, requests in it
-- Returns: {state version, requests that may be made under this lease or -1 for any
--          number, the one that is to follow included}; {-1, -1} when the lease is lost,
--          and nothing was changed

--@include proxies/_clock
--@include sessions/_keys
local sid, token, lease, nonce, count, ms, bytes, url, health, luck, blob, more =
  unpack(ARGV)
--@include proxies/_index
--@include proxies/_leave
--@include proxies/_health
--@include proxies/_settle
--@include sessions/_session

local key, again = sessions .. sid, answered .. token .. ":" .. nonce
local before = redis.call("GET", again)
if before then return {string.match(before, "^(%d+):(.+)$")} end
local proxy, incarnation = string.match(token, "^(%w+):(%d+):")
local f = redis.call("HMGET", key, "i", "d", "n", "a", "t", "x", "v", "o", "q", "z", "e",
  "y")
-- Taken out and put back: a full Redis lets that, and then the rest of the script too.
if f[1] ~= incarnation or redis.call("ZREM", leases, token) == 0 then return {-1, -1} end
redis.call("ZADD", leases, now + lease, token)
local s = {d = tonumber(f[2]), n = tonumber(f[3]), a = f[4], t = f[5], x = f[6],
  v = f[7] or f[1]}
local o = options(f[8])
--@include sessions/_note

local d = redis.call("HMGET", live .. proxy, "inflight", "mode", "ends")
local ends = tonumber(d[3] or 0)
-- Whoever acquires it next moves it, or begins it anew.
local over = tonumber(s.a) <= now or not d[1] or (ends > 0 and ends <= now)
  or (d[2] and d[2] ~= "" and d[2] ~= "draining")
local left = over and 0 or o.most > 0 and math.max(0, o.most - s.n) or -1
-- Where they are limited they are counted before they are made, as by an acquire: who
-- dies in between has made no more than he may.
if o.most == 0 then s.n = s.n + count elseif more == "1" and left > 0 then s.n = s.n + 1 end

count = tonumber(count)
set("d", math.max(s.d, now + lease))
set("n", s.n)
set("x", o.renew and math.min(now + s.t, s.a) or s.x)
if count > 0 then
  set("q", (f[9] or 0) + ms)
  set("z", (f[10] or 0) + count)
  set("w", url)
  set("y", (f[12] or 0) + bytes)
  if f[11] then set("e", math.max(0, f[11] - 0.5 * count)) end
  for i = 13, #ARGV, 2 do redis.call("HINCRBY", times, ARGV[i], ARGV[i + 1]) end
  if d[1] then
    redis.call("HSET", live .. proxy, "inflight", d[1] + 1)
    settle_many(proxy, count, {kind = "ok", ms = ms / count, bytes = tonumber(bytes),
      sid = sid, fault = 0}, health, luck)
  end
end
if blob ~= "" then write(sid, blob) end
redis.call("HSET", key, unpack(change))
redis.call("SET", again, s.v .. ":" .. left, "PX", 60000)
return {s.v, left}
