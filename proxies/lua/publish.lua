-- Make a proxy known, or renew its URL; its health and its turn are kept.
-- KEYS: 1 static hash of the proxy, 2 live prefix, 3 usable, 4 cooling
-- ARGV: 1 proxy id, 2 URL
-- Returns: 1 when the proxy is new, else 0

--@include proxies/_clock
local static, live, usable, cooling = unpack(KEYS)
local proxy, url = unpack(ARGV)
--@include proxies/_health

if redis.call("HGET", static, "url") ~= url then
  redis.call("HSET", static, "url", url)
  redis.call("HINCRBY", static, "version", 1)
end
if redis.call("EXISTS", live .. proxy) == 1 then return 0 end
redis.call("HSET", live .. proxy, "state", "up", "fails", 0, "cools", 0, "due", 0,
  "inflight", 0, "sessions", 0, "done", 0, "faults", 0)
enter(proxy)
return 1
