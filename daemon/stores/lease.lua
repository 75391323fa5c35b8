-- Who may write: the token of the daemon that took the lease last, and whether that one is still alive.
--
-- KEYS  lease (goes away by itself when it is not renewed), fence (hash: token, writes, messages; stays)
-- ARGV  what to do, milliseconds the lease lasts, then
--       take, seek: who asks, in words that no other daemon has;  restore, release: the token
-- Returns, of take and seek, {1, token, writes, messages}, or {0, holder} where another one is alive;
--       of restore the token in force; of release nothing.
--
-- A token begins with a number that only grows, by the server's clock, so that also who took the lease of a server
-- that had lost everything comes after who had it before.

local lease, fence = KEYS[1], KEYS[2]
local what, lease_ms, who = ARGV[1], ARGV[2], ARGV[3]
local held = redis.call('HGET', fence, 'token')

local function number(token)
  return tonumber(string.match(token, '^%d+'))
end

if what == 'release' then
  if held == who then
    redis.call('DEL', lease)
  end
  return false
end

if what == 'restore' then
  if not held or number(held) < number(who) then
    redis.call('HSET', fence, 'token', who)
    redis.call('SET', lease, who, 'PX', lease_ms)
    held = who
  end
  return held
end

if what == 'seek' then
  local holder = redis.call('GET', lease)
  if holder then
    return {0, holder}
  end
end

local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
if held then
  ms = math.max(ms, number(held) + 1)
end
local token = string.format('%.0f', ms) .. ' ' .. who
redis.call('HSET', fence, 'token', token)
redis.call('SET', lease, token, 'PX', lease_ms)
local counted = redis.call('HMGET', fence, 'writes', 'messages')
return {1, token, tonumber(counted[1] or 0), tonumber(counted[2] or 0)}
