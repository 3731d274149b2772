-- Fragment: sessions whose time is over.
-- Expects: now, sessions/_keys, sessions/_lived, proxies/_leave.
-- Gives: renew, later, ending, expire.

-- ZREM goes first: a full Redis lets it, and then the rest of the script too.
local function renew(sid, until_ms)
  redis.call("ZREM", expiry, sid)
  redis.call("ZADD", expiry, until_ms, sid)
end

-- When a record that cannot be read is looked at again: it must not hide the others.
local later = now + 3600000

-- When a session ends, 0 if there is none, nil if its record is of no use: no time in ms
-- has more than 13 digits.
local function ending(s)
  if s.err then return nil end
  if not s[1] then return 0 end
  local expires, deadline = tonumber(s[2]), tonumber(s[3])
  local known = expires and deadline and math.max(expires, deadline) < 1e13
  return known and math.max(expires, deadline) or nil
end

-- Returns how many were looked at, how many were removed as idle and as too old, and
-- the names of those that cannot be. Those removed are told in one event: an event each
-- would take half of the time.
local function expire(most)
  local due = redis.call("ZRANGEBYSCORE", expiry, "-inf", now, "LIMIT", 0, most)
  local gone, keys, left, stuck, lives = {}, {}, {}, {}, {}
  local told = {idle = {count = 0, ended = {}}, max_age = {count = 0, ended = {}}}
  for i = 1, #due do
    local sid = due[i]
    local key = sessions .. sid
    local s = redis.pcall("HMGET", key, unpack(FIGURES))
    -- The index is lazy: a session that was used since is put where it belongs here.
    local until_ms = ending(s)
    if not until_ms then
      until_ms, stuck[#stuck + 1] = later, sid
    end
    if until_ms > now then
      renew(sid, until_ms)
    else
      gone[#gone + 1] = sid
      keys[#keys + 1] = key
      if s[9] or not s[1] then keys[#keys + 1] = states .. sid end
      if s[1] then
        left[s[1]] = (left[s[1]] or 0) + 1
        local names = told[s[2] == s[4] and "max_age" or "idle"]
        names.count = names.count + 1
        if string.sub(sid, 1, 1) ~= "~" then
          names[#names + 1], names.ended[#names + 1], s[9] = sid, s, sid
          lived(s[2], s, lives)
        end
      end
    end
  end
  if #gone > 0 then
    redis.call("UNLINK", unpack(keys))
    -- Those that stay were put behind: the first ones are those that are gone.
    redis.call("ZREMRANGEBYRANK", expiry, 0, #gone - 1)
    -- Who can be borrowed is in both; in most pools nobody is.
    if redis.call("EXISTS", warm) == 1 and redis.call("ZREM", warm, unpack(gone)) > 0 then
      redis.call("ZREM", warm_next, unpack(gone))
    end
  end
  leave_all(left)
  count_lives(lives)
  for reason, names in pairs(told) do
    if names.count > 0 then
      redis.pcall("HINCRBY", counters, "closed_" .. reason, names.count)
    end
    if #names > 0 then
      redis.pcall("XADD", audit, "MAXLEN", "~", 50000, "*", "event", "closed",
        "sessions", table.concat(names, " "), "reason", reason,
        "ended", cjson.encode(names.ended))
    end
  end
  if #stuck > 0 then redis.pcall("HINCRBY", counters, "stuck", #stuck) end
  return #due, told.idle.count, told.max_age.count, stuck
end
