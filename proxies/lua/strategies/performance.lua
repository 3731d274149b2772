-- Sessions in inverse proportion to the average response time.
return by_turns(function(proxy) return proxy.ema end)
