-- One bounded step of making room: sessions that nobody has used for longest end.
-- KEYS: as in sessions/_keys
-- ARGV: 1 how many, 2 how many to pass over at the head of the index (those leased)
-- Returns: {ended, put where they belong in the index, more to pass over next time}

--@include proxies/_clock
--@include sessions/_keys
local most, start = tonumber(ARGV[1]), tonumber(ARGV[2])
--@include proxies/_leave
--@include sessions/_session
--@include sessions/_expire

local window = math.max(2 * most, 50)
local found, seen, order, moved = {}, {}, {}, 0

-- Last use is expiry less idle time. Of one that use does not renew it is not known:
-- it counts as used when it began.
local function consider(sid, ends, s)
  if seen[sid] then return end
  seen[sid] = true
  found[#found + 1] = {sid = sid, proxy = s[1], used = ends - (tonumber(s[4]) or 0)}
end

local function look(sid)
  local s = redis.pcall("HMGET", sessions .. sid, "p", "x", "d", "t")
  return s, ending(s)
end

-- The head of the index is in order, once those used since are put where they belong:
-- where all have one idle time, it is the order of their last use.
local head = redis.call("ZRANGE", expiry, start, start + window - 1, "WITHSCORES")
for i = 1, #head, 2 do
  local s, ends = look(head[i])
  if not ends or ends ~= tonumber(head[i + 1]) then
    renew(head[i], ends or later)
    moved = moved + 1
  elseif (tonumber(s[3]) or 0) > now then
    order[#order + 1] = "leased"
  else
    order[#order + 1] = head[i]
    consider(head[i], ends, s)
  end
end
-- Where idle times differ, one used long ago may be anywhere.
local drawn = #found > 0 and redis.call("ZRANDMEMBER", expiry, window) or {}
for i = 1, #drawn do
  local s, ends = look(drawn[i])
  if ends and s[1] and tonumber(s[3]) <= now then consider(drawn[i], tonumber(s[2]), s) end
end

table.sort(found, function(a, b) return a.used < b.used end)
local ended = math.min(most, #found)
for i = 1, ended do
  if found[i].proxy then
    remove(found[i].sid, found[i].proxy, "evicted")
  else
    redis.call("ZREM", expiry, found[i].sid)
  end
  seen[found[i].sid] = "ended"
end
-- The next step begins with the first one here that may still be ended.
local passed = 0
for i = 1, #order do
  if order[i] == "leased" then
    passed = passed + 1
  elseif seen[order[i]] ~= "ended" then
    break
  end
end
return {ended, moved, passed}
