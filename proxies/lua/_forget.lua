-- Fragment: the end of a proxy that was removed.
-- Expects: live, static (key prefixes), loads.
-- Gives: forget.

-- It is forgotten when nothing refers to it any more: had it come back before, its
-- counts would be wrong. For one that nobody uses; returns whether no session does.
local function forget(proxy)
  local count = redis.pcall("HGET", loads, proxy)
  if type(count) == "table" or tonumber(count or 0) ~= 0 then return false end
  redis.call("UNLINK", live .. proxy, static .. proxy)
  redis.call("HDEL", loads, proxy)
  return true
end
