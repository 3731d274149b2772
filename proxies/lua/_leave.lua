-- Fragment: a session has left its proxy.
-- Expects: live (key prefix of the proxies' live hashes).
-- Gives: leave.

local function leave(proxy)
  if redis.call("EXISTS", live .. proxy) == 1 then
    redis.call("HINCRBY", live .. proxy, "sessions", -1)
  end
end
