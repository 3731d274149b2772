-- Fragment: what a session is, and its end.
-- Expects: sessions/_keys, now, proxies/_leave.
-- Gives: options, next_version, event, refused, rest, fence, remove.
--@include sessions/_lived

-- "flags:max requests:max leases:delay ms", absent when all are the default. Flags:
-- s soft or h hard stickiness; r renewed by use or n not; cookies k kept or c cleared
-- when it moves; p pooled (may be borrowed) or -.
local function options(packed)
  if not packed or packed == "" then
    return {renew = true, most = 0, leases = 1, delay = 0}
  end
  local flags, most, slots, delay = string.match(packed, "^([^:]+):(%d+):(%d+):(%d+)$")
  return {
    hard = string.sub(flags, 1, 1) == "h", renew = string.sub(flags, 2, 2) == "r",
    clear = string.sub(flags, 3, 3) == "c", pooled = string.sub(flags, 4, 4) == "p",
    most = tonumber(most), leases = tonumber(slots), delay = tonumber(delay),
  }
end

-- The next version of a state: none ever comes again, whatever the clock does, not even
-- in a Redis that has lost everything. Of a state that was never written the version is
-- its session's incarnation.
local function next_version()
  local version = redis.call("HINCRBY", counters, "version", 1)
  if version < now then
    version = now
    redis.call("HSET", counters, "version", now)
  end
  return string.format("%.0f", version)
end

-- Sessions that live for one job are counted, not told: they would flood the stream. What
-- is told is done, also where the stream is none.
local function event(sid, what, ...)
  if string.sub(sid, 1, 1) == "~" then return end
  redis.pcall("XADD", audit, "MAXLEN", "~", 50000, "*", "event", what, "session", sid, ...)
end

-- A job that waits asks again and again: it is told once a minute.
local function refused(sid, why)
  if string.sub(sid, 1, 1) == "~" then return end
  local key = answered .. "refused:" .. why .. ":" .. sid
  if redis.call("SET", key, 1, "NX", "PX", 60000) then
    event(sid, "refused", "reason", why)
  end
end

-- Nobody uses the session now: if it is a pooled one, it may be borrowed.
local function rest(sid, o, next_use)
  if not o.pooled then return end
  redis.call("ZADD", warm, now, sid)
  redis.call("ZADD", warm_next, math.max(now, next_use), sid)
end

-- A holder died, or is merely late: nothing that it still brings is taken from here on.
-- Returns the session's new incarnation.
local function fence(sid, o, next_use)
  local incarnation = redis.call("HINCRBY", counters, "incarnation", 1)
  redis.call("HSET", sessions .. sid, "d", 0, "k", "", "i", incarnation)
  if o.leases > 1 then redis.call("HSET", sessions .. sid, "f", 0) end
  rest(sid, o, tonumber(next_use or 0))
  return incarnation
end

-- bytes: of a request that is not in the session's own count yet.
local function remove(sid, proxy, reason, bytes)
  local told = string.sub(sid, 1, 1) ~= "~"
  local s = told and redis.call("HMGET", sessions .. sid, unpack(FIGURES))
  redis.call("UNLINK", sessions .. sid, states .. sid)
  redis.call("ZREM", expiry, sid)
  redis.call("ZREM", warm, sid)
  redis.call("ZREM", warm_next, sid)
  redis.call("HINCRBY", counters, "closed_" .. reason, 1)
  leave(proxy)
  if not told then return end
  count_lives(lived(now, s, {}))
  s[8], s[9] = (tonumber(s[8]) or 0) + (bytes or 0), sid
  event(sid, "closed", "proxy", proxy, "reason", reason, "ended", cjson.encode({s}))
end
