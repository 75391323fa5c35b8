-- Keep bars and publish messages: each bar once, each message once, all of this call or nothing of it.
--
-- KEYS  lease, stream, newest published (hash of opening times), then of each entry: ring, latest
-- ARGV  token, channel, most entries of the stream, bytes of a ring, milliseconds to keep what is not renewed,
--       bytes of a ring after which it is renewed,
--       then of each entry: its symbol, offset of its slot in the ring, its packed row, its message ('' for none)
-- Returns 1 for each entry whose message went out now, else 0.
--
-- A slot begins with: opening time (i8), revision + 1 (i4; 0: no bar), last published revision + 1 (i4; 0: none).

local HEAD, HEAD_BYTES = '<i8i4i4', 16

local holder = redis.call('GET', KEYS[1])
if not holder then
  return redis.error_reply('UNHELD nobody holds the lease')
end
if holder ~= ARGV[1] then
  return redis.error_reply('FENCED ' .. holder)
end

local stream, newest = KEYS[2], KEYS[3]
local channel, most, size = ARGV[2], ARGV[3], tonumber(ARGV[4])
local keep_ms, renew_every = ARGV[5], tonumber(ARGV[6])

if #KEYS == 3 then
  -- A call without entries asks whether a write would be taken: so it writes.
  redis.call('SET', KEYS[1], ARGV[1])
end

local function stored(ring, offset)
  local head = redis.call('GETRANGE', ring, offset, offset + HEAD_BYTES - 1)
  if #head == HEAD_BYTES then
    return struct.unpack(HEAD, head)
  end
  -- A new ring takes its whole length at once: zeros are empty slots, and it never grows again.
  redis.call('SETRANGE', ring, size - 1, '\0')
  redis.call('PEXPIRE', ring, keep_ms)
  return 0, 0, 0
end

local function publish(symbol, latest, opened_at_ms, message)
  if tonumber(redis.call('HGET', newest, symbol) or 0) <= opened_at_ms then
    redis.call('SET', latest, message, 'PX', keep_ms)
    redis.call('HSET', newest, symbol, opened_at_ms)
  end
  redis.call('XADD', stream, 'MAXLEN', '~', most, '*', 'message', message)
  redis.call('PUBLISH', channel, message)
end

local function commit(ring, latest, symbol, offset, row, message)
  local there_at_ms, there, published = stored(ring, offset)
  local opened_at_ms, revision = struct.unpack(HEAD, row)
  if there > 0 then
    if there_at_ms > opened_at_ms or (there_at_ms == opened_at_ms and there > revision) then
      return 0
    end
    if there_at_ms < opened_at_ms then
      published = 0
    elseif published == revision then
      -- The row that a message was made from stays as it was.
      return 0
    end
  end
  local goes_out = message ~= ''
  if goes_out then
    publish(symbol, latest, opened_at_ms, message)
    published = revision
  end
  redis.call('SETRANGE', ring, offset, struct.pack(HEAD, opened_at_ms, revision, published) .. row:sub(HEAD_BYTES + 1))
  -- Renewing at every bar would cost a tenth of the whole.
  if offset % renew_every == 0 then
    redis.call('PEXPIRE', ring, keep_ms)
  end
  return goes_out and 1 or 0
end

local went_out = {}
for i = 1, (#KEYS - 3) / 2 do
  local key, told = 2 * i + 2, 4 * i + 3
  went_out[i] = commit(
    KEYS[key], KEYS[key + 1], ARGV[told], tonumber(ARGV[told + 1]), ARGV[told + 2], ARGV[told + 3]
  )
end
return went_out
