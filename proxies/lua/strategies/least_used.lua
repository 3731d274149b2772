-- The least used of six: nearly as even as the least used of all (Mitzenmacher, "The
-- Power of Two Choices", 1996), and no index has to follow every lease.
return by_lot(6, function(proxy) return proxy.inflight + proxy.sessions + 1 end)
