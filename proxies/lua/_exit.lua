-- Fragment: the address that a proxy leaves from, as sites see it.
-- Expects: live, loads, audit, counters.
-- Gives: left_from.

-- Sessions stay at one proxy so that sites see one visitor: one whose address changes
-- under them has moved them all. Returns 1 if that is so, else 0.
local function left_from(proxy, exit)
  local d = redis.call("HMGET", live .. proxy, "exit", "state")
  if not d[2] then return 0 end
  redis.call("HSET", live .. proxy, "exit", exit)
  local there = redis.call("HGET", loads, proxy) or "0"
  if not d[1] or d[1] == exit or tonumber(there) <= 0 then return 0 end
  redis.call("HINCRBY", counters, "exit_changes", 1)
  redis.call("XADD", audit, "MAXLEN", "~", 50000, "*", "event", "exit_changed",
    "proxy", proxy, "from", d[1], "to", exit, "sessions", there)
  return 1
end
