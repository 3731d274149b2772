-- Fragment: leases whose holders died, and sessions whose time is over.
-- Expects: sessions/_session, proxies/_settle.
-- Gives: settle_lost, bury, renew, expire.

local NOTHING = {kind = "lost", bytes = 0}

-- Who removes the member settles it; nobody can do so twice.
local function settle_lost(token, proxy)
  if redis.call("ZREM", leases, token) == 0 then return end
  settle(proxy, NOTHING)
  redis.call("HINCRBY", counters, "lost_leases", 1)
end

local function bury(most)
  local dead = redis.call("ZRANGEBYSCORE", leases, "-inf", now, "LIMIT", 0, most)
  for i = 1, #dead do
    local proxy, incarnation, nonce, sid = string.match(dead[i],
      "^(%w+):(%d+):(%x+):(.+)$")
    settle_lost(dead[i], proxy)
    local key = sessions .. sid
    local s = redis.call("HMGET", key, "i", "k", "o", "f", "u", "d")
    local o = options(s[3])
    if s[1] == incarnation and o.leases > 1 then
      local left = tonumber(s[4]) - 1
      redis.call("HSET", key, "f", left, "d", left == 0 and 0 or s[6])
      if left == 0 then rest(sid, o, tonumber(s[5] or 0)) end
    elseif s[1] == incarnation and string.match(s[2], "^%x*") == nonce then
      fence(sid, o, s[5])
    end
  end
  return #dead
end

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
    local s = redis.call("HMGET", sessions .. sid, "p", "x", "d", "a")
    -- The index is lazy: a session that was used since is put where it belongs here.
    local until_ms = s[1] and math.max(s[2], s[3]) or 0
    if until_ms > now then
      renew(sid, until_ms)
    else
      gone[#gone + 1] = sid
      keys[#keys + 1], keys[#keys + 2] = sessions .. sid, states .. sid
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
    forget(unpack(gone))
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
