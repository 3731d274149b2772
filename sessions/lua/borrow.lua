-- Lease a warm session that nobody uses.
-- KEYS: as in sessions/_keys
-- ARGV: 1 order: lru, or next for the earliest next use; as for acquire: 2 nonce,
--       3 lease ms, 4 policy, 5 plan, 6 excluded, 7 domain, 8 known version, 9 luck;
--       10 what this call is known by
-- Returns: as acquire; {"E", ms until one may be borrowed, or -1} when there is none

--@include proxies/_clock
--@include sessions/_keys
local order, nonce, lease, policy, plan, excluded, domain, known, luck, call =
  unpack(ARGV)
local banned = domain ~= "" and bans .. domain or ""
lease, luck = tonumber(lease), tonumber(luck)
--@include sessions/_hold
--@include proxies/_index
--@include proxies/_leave
--@include proxies/_health
--@include proxies/_settle
--@include proxies/_pick
--@include proxies/_order
--@include proxies/_choose
--@include sessions/_session
--@include sessions/_bury
--@include sessions/_expire
--@include sessions/_room
--@include sessions/_bind
--@include sessions/_failover
--@include sessions/_take

local before = redis.call("GET", answered .. "borrow:" .. call)
if before then return take(before, false) or {"E", -1} end
bury(8)
local found = order == "next"
  and redis.call("ZRANGEBYSCORE", warm_next, "-inf", now, "LIMIT", 0, 16)
  or redis.call("ZRANGE", warm, 0, 15)
for i = 1, #found do
  local answer = take(found[i], false)
  if not answer then
    redis.call("ZREM", warm, found[i])
    redis.call("ZREM", warm_next, found[i])
  elseif string.find("HFI", answer[1], 1, true) then
    if answer[1] ~= "I" then
      redis.call("SET", answered .. "borrow:" .. call, found[i], "PX", 60000)
    end
    return answer
  else
    -- It goes to the end of both orders: what cannot go out must not hide the others.
    redis.call("ZADD", warm, "XX", now, found[i])
    local wait = answer[2] > 0 and answer[2] or 1000
    redis.call("ZADD", warm_next, "XX", now + wait, found[i])
  end
end
local next = redis.call("ZRANGE", warm_next, 0, 0, "WITHSCORES")
return {"E", next[2] and math.max(1, next[2] - now) or -1}
