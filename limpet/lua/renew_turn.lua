-- Keep the lock of a run that goes on.
--
-- KEYS: 1 lock
-- ARGV: 1 token of the run, 2 how long the lock holds from now on, in ms
-- Returns: 1, or 0 when the lock is not this run's any more

if redis.call("GET", KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call("PEXPIRE", KEYS[1], ARGV[2])
