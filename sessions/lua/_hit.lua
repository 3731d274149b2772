-- Fragment: what happens nearly always, before all the rest is even set up: the session
-- is there, has no options, nobody uses it, and its proxy is well.
-- Expects: sessions/_hold, sid, excluded, domain.
-- Gives: nothing; returns from the script when it is so.

if excluded == "" and domain == "" then
  local s = redis.call("HMGET", sessions .. sid, "p", "d", "x", "o", "g", "i", "n", "v",
    "a", "t", "k")
  if s[1] and s[2] == "0" and (s[4] or "") == "" and tonumber(s[3]) > now then
    local d = redis.call("HMGET", live .. s[1], "inflight", "started", "version",
      "state", "mode", "ends", "cap")
    local state, mode = d[4], d[5]
    if (state == "healthy" or state == "degraded" or state == "unknown")
      and (mode == "" or mode == "draining") and d[6] == "0" and d[7] == "0" then
      return hold("H", sid, {p = s[1], g = s[5], i = s[6], n = s[7], v = s[8], a = s[9],
        t = s[10], k = s[11]}, {renew = true, leases = 1}, 0, 0, d)
    end
  end
end
