-- Fragment: sessions have left their proxy.
-- Expects: live, static (key prefixes).
-- Gives: leave.

-- A proxy that was removed is forgotten when nothing refers to it any more: had it
-- come back before, its counts would be wrong.
local function leave(proxy, times)
  local key = live .. proxy
  -- Redis prints numbers slowly, and in the clean-up there is one of these a session.
  local less = (times or 1) == 1 and "-1" or 0 - times
  local left = redis.pcall("HINCRBY", key, "sessions", less)
  -- A count that is none is an error, which is a table; the rest goes on.
  if type(left) == "table" or left > 0 then return end
  local d = redis.call("HMGET", key, "mode", "inflight")
  if not d[1] or (d[1] == "removed" and left == 0 and d[2] == "0") then
    redis.call("UNLINK", key, static .. proxy)
  end
end
