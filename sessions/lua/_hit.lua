-- Fragment: what happens nearly always, before all the rest is even set up: the session
-- is there, has no options, nobody uses it, and its proxy is well.
-- Expects: sessions/_hold, sid, excluded, domain.
-- Gives: nothing; returns from the script when it is so.

if excluded == "" and domain == "" then
  local s = redis.call("HMGET", sessions .. sid, "p", "d", "x", "n", "i", "k", "a", "t",
    "m", "g", "v", "o")
  if s[1] and s[2] == "0" and (s[12] or "") == "" and tonumber(s[3]) > now then
    local d = redis.call("HMGET", live .. s[1], "inflight", "started", "version",
      "state", "mode", "ends", "cap")
    local state, mode = d[4], d[5]
    if (state == "healthy" or state == "degraded" or state == "unknown")
      and (mode == "" or mode == "draining") and d[6] == "0" and d[7] == "0" then
      return hold("H", sid, {p = s[1], n = s[4], i = s[5], k = s[6], a = s[7], t = s[8],
        m = s[9], g = s[10], v = s[11]}, {renew = true, leases = 1}, 0, 0, d)
    end
  end
end
