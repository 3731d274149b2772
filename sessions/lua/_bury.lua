-- Fragment: leases whose holders died.
-- Expects: sessions/_session, proxies/_settle.
-- Gives: dismiss, bury.

local NOTHING = {kind = "lost", bytes = 0}

-- Who removes the member settles it; nobody can do so twice.
local function settle_lost(token, proxy)
  if redis.call("ZREM", leases, token) == 0 then return end
  settle(proxy, NOTHING)
  redis.pcall("HINCRBY", counters, "lost_leases", 1)
end

-- The nonce of an exclusive session's lease.
local function held_by(s) return string.match(s.k or "", "^%w*") end

-- Whose deadline is over is done with it: what he still brings is refused, and changes
-- nothing of the proxy either. Returns the session's new incarnation.
local function dismiss(sid, s, o, next_use)
  if o.leases == 1 then
    settle_lost(table.concat({s.p, s.i, held_by(s), sid}, ":"), s.p)
  end
  return fence(sid, o, next_use)
end

local function bury(most)
  local dead = redis.call("ZRANGEBYSCORE", leases, "-inf", now, "LIMIT", 0, most)
  for i = 1, #dead do
    local proxy, incarnation, nonce, sid = string.match(dead[i],
      "^(%w+):(%d+):(%w+):(.+)$")
    settle_lost(dead[i], proxy)
    local key = sessions .. sid
    local s = redis.call("HMGET", key, "i", "k", "o", "f", "u", "d")
    local o = options(s[3])
    if s[1] == incarnation and o.leases > 1 then
      local left = tonumber(s[4]) - 1
      redis.call("HSET", key, "f", left, "d", left == 0 and 0 or s[6])
      if left == 0 then rest(sid, o, tonumber(s[5] or 0)) end
    elseif s[1] == incarnation and string.match(s[2], "^%w*") == nonce then
      fence(sid, o, s[5])
    end
  end
  return #dead
end
