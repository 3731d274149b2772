-- Fragment: a domain blocks a proxy.
-- Expects: now, live, counters, bans, banned_by, and proxies/_health.
-- Gives: ban.

-- Ten minutes, twice as long each time, up to a day; one that runs does not grow. When
-- the site said for how long (least, in ms), it begins with the first that is as long.
-- Blocked by five domains within the hour, the proxy is a degraded one.
local function ban(proxy, domain, least)
  local old = redis.call("HGET", domain, proxy)
  local ends, times = string.match(old or "0:0", "^(%d+):(%d+)$")
  if tonumber(ends) > now and tonumber(ends) >= now + least then return end
  while times + 0 < 8 and 600000 * 2 ^ times < least do times = times + 1 end
  local wait = math.min(86400000, 600000 * 2 ^ times)
  redis.call("HSET", domain, proxy, (now + wait) .. ":" .. math.min(times + 1, 16))
  redis.call("PEXPIRE", domain, 2 * 86400000)
  -- A site that always blocks some would keep all that were ever there: of four each
  -- time, those go whose ban has been over for as long as a site's last one is kept.
  local drawn = redis.call("HRANDFIELD", domain, 4, "WITHVALUES")
  for i = 1, #drawn, 2 do
    local over = tonumber(string.match(drawn[i + 1], "^%d+")) or 0
    if over + 86400000 < now then redis.call("HDEL", domain, drawn[i]) end
  end
  -- For people who look at the proxy: the hundred that last longest.
  local own, name = banned_by .. proxy, string.sub(domain, #bans + 1)
  redis.call("ZADD", own, now + wait, name)
  redis.call("ZREMRANGEBYSCORE", own, "-inf", now)
  redis.call("ZREMRANGEBYRANK", own, 0, -101)
  redis.call("PEXPIRE", own, 2 * 86400000)
  tell(proxy, "banned", "domain", name)
  redis.call("HINCRBY", counters, "bans", 1)
  local d = redis.call("HMGET", live .. proxy, "bans", "bans_since", "state")
  if not d[3] then return end
  local fresh = now - d[2] > 3600000
  -- Each domain counts once in an hour.
  local began = ends - math.min(86400000, 600000 * 2 ^ (times - 1))
  if old and not fresh and began >= tonumber(d[2]) then return end
  local count = fresh and 1 or d[1] + 1
  redis.call("HSET", live .. proxy, "bans", count, "bans_since", fresh and now or d[2])
  if count >= 5 and d[3] == "healthy" then
    redis.call("HSET", live .. proxy, "state", "degraded")
  end
end
