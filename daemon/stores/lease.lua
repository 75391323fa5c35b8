-- Take the lease whoever holds it: the newest daemon wins, and the next commit of the one before is refused.
--
-- KEYS  epoch, lease
-- ARGV  who takes it, in words that no other daemon has
-- Returns the token to show with every commit.

local token = redis.call('INCR', KEYS[1]) .. ' ' .. ARGV[1]
redis.call('SET', KEYS[2], token)
return token
