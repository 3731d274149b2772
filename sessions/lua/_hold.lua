-- Fragment: a session has its proxy, and is leased.
-- Expects: sessions/_keys, now, nonce, lease (ms), known (state version).
-- Gives: token_of, reply, hold.

local function token_of(sid, s)
  return s.p .. ":" .. s.i .. ":" .. nonce .. ":" .. sid
end

local function reply(status, sid, s, o, version)
  version = version or redis.call("HGET", live .. s.p, "version") or "0"
  local blob = s.v and s.v ~= known and redis.call("GET", states .. sid) or false
  return {status, token_of(sid, s), s.g or 1, version, s.v or s.i, blob, o.leases}
end

-- deadline, others: of the live leases that the session has already; counts: inflight
-- and version of its proxy, where they are known.
local function hold(status, sid, s, o, deadline, others, counts)
  counts = counts or redis.call("HMGET", live .. s.p, "inflight", "version")
  local expires = o.renew and math.min(now + s.t, s.a) or s.x
  local ends = now + lease
  if o.leases == 1 then
    redis.call("HSET", sessions .. sid, "d", ends, "n", s.n + 1, "x", expires,
      "k", nonce .. s.k)
  else
    redis.call("HSET", sessions .. sid, "d", math.max(ends, deadline), "n", s.n + 1,
      "x", expires, "f", others + 1)
  end
  -- Until the release says so: others may hold it too, and this one may die.
  if o.delay > 0 then redis.call("HSET", sessions .. sid, "u", now + o.delay) end
  if o.pooled then
    redis.call("ZREM", warm, sid)
    redis.call("ZREM", warm_next, sid)
  end
  redis.call("HSET", live .. s.p, "inflight", counts[1] + 1)
  local answer = reply(status, sid, s, o, counts[2])
  redis.call("ZADD", leases, ends, answer[2])
  return answer
end
