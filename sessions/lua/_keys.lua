-- Fragment: KEYS of every script about sessions, in this order. Those that end in
-- "prefix" are completed by an id.
--   1 session prefix, 2 state prefix, 3 expiry, 4 leases, 5 counters, 6 audit,
--   7 warm, 8 warm_next, 9 static prefix, 10 live prefix, 11 usable, 12 registry,
--   13 index prefix, 14 cooling, 15 ban prefix, 16 response times
-- Gives: a local for each.

local sessions, states, expiry, leases, counters, audit, warm, warm_next, static, live,
  usable, registry, indexes, cooling, bans, times = unpack(KEYS)
