-- Keep bars and publish messages: each bar once, each message once, all of this call or nothing of it.
--
-- KEYS  lease, stream, then of each entry: ring, latest
-- ARGV  token, channel, most entries of the stream, bytes of a ring, milliseconds to keep what is not renewed,
--       bytes of a ring after which it is renewed,
--       then of each entry: offset of its slot in the ring, its packed row, its message ('' for none)
-- Returns 1 for each entry whose message went out now, else 0.
--
-- A slot begins with: opening time (i8), revision + 1 (i4; 0: no bar), last published revision + 1 (i4; 0: none).
-- A ring ends with: opening time of the newest bar that was published (i8; 0: none).

local HEAD, HEAD_BYTES = '<i8i4i4', 16
local TAIL, TAIL_BYTES = '<i8', 8

local holder = redis.call('GET', KEYS[1])
if not holder then
  return redis.error_reply('UNHELD nobody holds the lease')
end
if holder ~= ARGV[1] then
  return redis.error_reply('FENCED ' .. holder)
end

local stream, channel, most, size = KEYS[2], ARGV[2], ARGV[3], tonumber(ARGV[4])
local keep_ms, renew_every = ARGV[5], tonumber(ARGV[6])
local tail = size - TAIL_BYTES

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

local function publish(ring, latest, opened_at_ms, message)
  local newest = struct.unpack(TAIL, redis.call('GETRANGE', ring, tail, size - 1))
  if newest <= opened_at_ms then
    redis.call('SET', latest, message, 'PX', keep_ms)
    redis.call('SETRANGE', ring, tail, struct.pack(TAIL, opened_at_ms))
  end
  redis.call('XADD', stream, 'MAXLEN', '~', most, '*', 'message', message)
  redis.call('PUBLISH', channel, message)
end

local function commit(ring, latest, offset, row, message)
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
    publish(ring, latest, opened_at_ms, message)
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
for i = 1, (#KEYS - 2) / 2 do
  went_out[i] = commit(KEYS[2 * i + 1], KEYS[2 * i + 2], tonumber(ARGV[3 * i + 4]), ARGV[3 * i + 5], ARGV[3 * i + 6])
end
return went_out
