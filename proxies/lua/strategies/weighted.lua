-- A proxy of weight 3 gets three times the sessions of one of weight 1.
return by_turns(function(proxy) return 100 / proxy.weight end)
