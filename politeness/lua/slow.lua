-- Remember what a site asked for: a pause, or a time between two requests.
-- KEYS: 1 state
-- ARGV: 1 pause ms or 0, 2 crawl-delay ms or "" (nothing is said of it), 3 keep ms: for
--       how long the crawl-delay counts
-- Returns: 1

--@include proxies/_clock
local state = KEYS[1]
local pause, crawl, keep = unpack(ARGV)
local s = redis.call("HMGET", state, "t", "u", "c", "ce")
local change, ends = {}, now
local function set(name, value, till)
  change[#change + 1], change[#change + 2] = name, value
  ends = math.max(ends, till)
end

if tonumber(pause) > 0 then
  local till = math.max(now + pause, tonumber(s[2] or 0))
  set("u", till, till)
end
if crawl ~= "" then
  -- Who heard it first has just been there, for the file that says so.
  if tonumber(s[4] or 0) <= now or s[3] ~= crawl then
    local turn = math.max(tonumber(s[1] or 0), now + crawl)
    set("t", string.format("%.3f", turn), turn)
  end
  set("c", crawl, now)
  set("ce", now + keep, now + keep)
end
if #change == 0 then return 1 end
redis.call("HSET", state, unpack(change))
local left = math.ceil(ends - now) + 60000
if redis.call("PTTL", state) < left then redis.call("PEXPIRE", state, left) end
return 1
