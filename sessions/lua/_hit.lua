-- Fragment: what happens nearly always, before all the rest is even set up: the session
-- is there, has no options, nobody uses it, its proxy is well, and the domain blocks none.
-- Expects: sessions/_hold, sid, excluded, domain.
-- Gives: nothing; returns from the script when it is so.

if excluded == ""
  and (domain == "" or redis.call("EXISTS", bans .. domain) == 0) then
  local s = redis.call("HMGET", sessions .. sid, "p", "d", "x", "n", "i", "k", "a", "t",
    "g", "v", "o")
  if s[1] and s[2] == "0" and (s[11] or "") == "" and tonumber(s[3]) > now then
    local d = redis.call("HMGET", live .. s[1], "inflight", "version", "state", "plain")
    local state = d[3]
    if d[4] == "1"
      and (state == "healthy" or state == "degraded" or state == "unknown") then
      return hold("H", sid, {p = s[1], n = s[4], i = s[5], k = s[6], a = s[7], t = s[8],
        g = s[9], v = s[10]}, {renew = true, leases = 1, delay = 0}, 0, 0, d)
    end
  end
end
