-- Fragment: sessions whose time is over.
-- Expects: now, sessions/_keys, proxies/_leave.
-- Gives: renew, expire.

-- ZREM goes first: a full Redis lets it, and then the rest of the script too.
local function renew(sid, until_ms)
  redis.call("ZREM", expiry, sid)
  redis.call("ZADD", expiry, until_ms, sid)
end

-- Returns how many were looked at, and how many of them were removed. Those removed are
-- told in one event: an event each would take half of the time.
local function expire(most)
  local due = redis.call("ZRANGEBYSCORE", expiry, "-inf", now, "LIMIT", 0, most)
  local gone, keys, left = {}, {}, {}
  local told = {idle = {count = 0}, max_age = {count = 0}}
  for i = 1, #due do
    local sid = due[i]
    local key = sessions .. sid
    local s = redis.call("HMGET", key, "p", "x", "d", "a")
    -- The index is lazy: a session that was used since is put where it belongs here.
    local until_ms = s[1] and math.max(s[2], s[3]) or 0
    if until_ms > now then
      renew(sid, until_ms)
    else
      gone[#gone + 1] = sid
      keys[#keys + 1], keys[#keys + 2] = key, states .. sid
      if s[1] then
        left[s[1]] = (left[s[1]] or 0) + 1
        local names = told[s[2] == s[4] and "max_age" or "idle"]
        names.count = names.count + 1
        if string.sub(sid, 1, 1) ~= "~" then names[#names + 1] = sid end
      end
    end
  end
  if #gone > 0 then
    redis.call("UNLINK", unpack(keys))
    -- Those that stay were put behind: the first ones now are those that are gone.
    redis.call("ZREMRANGEBYRANK", expiry, 0, #gone - 1)
    -- Who can be borrowed is in both.
    if redis.call("ZREM", warm, unpack(gone)) > 0 then
      redis.call("ZREM", warm_next, unpack(gone))
    end
  end
  for proxy, times in pairs(left) do leave(proxy, times) end
  for reason, names in pairs(told) do
    if names.count > 0 then
      redis.call("HINCRBY", counters, "closed_" .. reason, names.count)
    end
    if #names > 0 then
      redis.call("XADD", audit, "MAXLEN", "~", 10000, "*", "event", "closed",
        "sessions", table.concat(names, " "), "reason", reason)
    end
  end
  return #due, told.idle.count + told.max_age.count
end
