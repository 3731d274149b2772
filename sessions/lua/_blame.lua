-- Fragment: what the end of a lease says about its proxy, and counts for the pool.
-- Expects: proxies/_settle, proxies/_ban, and what release.lua is told.
-- Gives: nothing; it is done where it stands.

settle(proxy, judged_by({kind = kind, fault = tonumber(fault), ms = tonumber(ms),
  bytes = tonumber(bytes), sid = sid}, health, luck))
if kind == "blocked" and domain ~= "" then ban(proxy, bans .. domain, tonumber(least)) end
if ms ~= "" then
  redis.call("HINCRBY", times, bucket, 1)
else
  redis.call("HINCRBY", counters, "unmeasured", 1)
end
if rendered ~= "" then
  redis.call("HINCRBY", render_times, string.match(rendered, "%d+$"), 1)
end
if kind == "fault" or kind == "refused" then redis.call("HINCRBY", counters, "faults", 1) end
