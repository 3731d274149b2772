-- Each proxy in its turn.
return by_turns(function() return 1 end)
