-- Keep bars and publish messages: each bar once, each message once, all of this call or nothing of it.
--
-- KEYS  lease, fence (hash: token, writes, messages), stream, newest published (hash of opening times),
--       then of each entry: ring, latest
-- ARGV  token, milliseconds the lease lasts, writes that are known to have been taken, channel, most entries of the
--       stream, bytes of a ring, milliseconds to keep what is not renewed, bytes of a ring after which it is renewed,
--       then of each entry: its symbol, the offset of its slot in the ring (i4) before its packed row as it is once its
--       message is out, its message ('' for none)
-- Returns the writes and messages counted so far, then 1 for each entry whose message went out now, else 0.
--
-- A slot begins with: opening time (i8), revision + 1 (i4; 0: no bar), last published revision + 1 (i4; 0: none).

local call = redis.call
local HEAD, HEAD_BYTES = '<i8i4i4', 16
local PLACED_HEAD, PLACED_HEAD_BYTES, OFFSET_BYTES = '<i4i8i4i4', 20, 4

local lease, fence, stream, newest = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local token, lease_ms, known = ARGV[1], ARGV[2], tonumber(ARGV[3])
local channel, most, size = ARGV[4], ARGV[5], tonumber(ARGV[6])
local keep_ms, renew_every = ARGV[7], tonumber(ARGV[8])

local function number(told)
  return tonumber(string.match(told, '^%d+'))
end

local kept = call('HMGET', fence, 'token', 'writes')
if not kept[1] or number(kept[1]) < number(token) then
  return redis.error_reply('UNHELD this server does not know that we took the lease')
end
if kept[1] ~= token then
  return redis.error_reply('FENCED ' .. kept[1])
end
if tonumber(kept[2] or 0) < known then
  return redis.error_reply('LOST this server lacks writes that were answered')
end
call('SET', lease, token, 'PX', lease_ms)

-- What a script has written stays though a later command of it is refused, as where a right is missing. So each that
-- comes after a message has gone into the stream is tried first, in words that change nothing.
local nowhere = fence .. ':none'
local trials = {
  {'SETRANGE', nowhere, 0, ''},
  {'PEXPIRE', nowhere, 1},
  {'XADD', nowhere, 'NOMKSTREAM', '*', 'message', ''},
  {'HSET', fence, 'token', token},
  {'HINCRBY', fence, 'writes', 0},
}
if #KEYS == 4 then
  trials[#trials + 1] = {'PUBLISH', channel .. ':none', ''}
end
for _, trial in ipairs(trials) do
  local answer = redis.pcall(unpack(trial))
  if type(answer) == 'table' and answer.err then
    return redis.error_reply(answer.err .. ' (' .. trial[1] .. ')')
  end
end

local function stored(ring, offset)
  local head = call('GETRANGE', ring, offset, offset + HEAD_BYTES - 1)
  if #head == HEAD_BYTES then
    local opened_at_ms, written, published = struct.unpack(HEAD, head)
    return opened_at_ms, written, published, false
  end
  -- A new ring takes its whole length at once: zeros are empty slots, and it never grows again.
  call('SETRANGE', ring, size - 1, '\0')
  return 0, 0, 0, true
end

-- A table that remembers what was made of a value.
local function once(make)
  return setmetatable({}, {__index = function(known, value)
    known[value] = make(value)
    return known[value]
  end})
end

-- Most bars of a call opened at one time: words and number of it are made once.
local number_of = once(tonumber)
-- Redis 7.2 would write a number with many zeros at its end as 1.728e+12.
local words_of = once(function(ms) return string.format('%.0f', ms) end)

-- By symbol, the newest opening time that was published: asked and told once a call.
local symbols, newest_ms, news = {}, {}, {}
for i = 1, (#KEYS - 4) / 2 do
  symbols[i] = ARGV[3 * i + 6]
end
if #symbols > 0 then
  for i, told in ipairs(call('HMGET', newest, unpack(symbols))) do
    newest_ms[symbols[i]] = told and number_of[told] or 0
  end
end

local trimmed = false

local function publish(symbol, latest, opened_at_ms, message)
  if newest_ms[symbol] <= opened_at_ms then
    call('SET', latest, message, 'KEEPTTL')
    newest_ms[symbol] = opened_at_ms
    news[#news + 1], news[#news + 2] = symbol, words_of[opened_at_ms]
  end
  -- First, since it cannot be tried: nobody hears of it before the script has ended.
  call('PUBLISH', channel, message)
  if trimmed then
    call('XADD', stream, '*', 'message', message)
  else
    call('XADD', stream, 'MAXLEN', '~', most, '*', 'message', message)
    trimmed = true
  end
end

local function commit(ring, latest, symbol, row, message)
  local offset, opened_at_ms, revision = struct.unpack(PLACED_HEAD, row)
  local there_at_ms, there, published, new = stored(ring, offset)
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
  elseif published > 0 then
    row = struct.pack(PLACED_HEAD, offset, opened_at_ms, revision, published) .. row:sub(PLACED_HEAD_BYTES + 1)
  end
  call('SETRANGE', ring, offset, row:sub(OFFSET_BYTES + 1))
  -- Renewing at every bar would cost a tenth of the whole.
  if new or offset % renew_every == 0 then
    call('PEXPIRE', ring, keep_ms)
    call('PEXPIRE', latest, keep_ms)
  end
  return goes_out and 1 or 0
end

local answer, messages = {0, 0}, 0
for i, symbol in ipairs(symbols) do
  local went_out = commit(KEYS[2 * i + 3], KEYS[2 * i + 4], symbol, ARGV[3 * i + 7], ARGV[3 * i + 8])
  answer[i + 2] = went_out
  messages = messages + went_out
end
if #news > 0 then
  call('HSET', newest, unpack(news))
end
answer[1] = call('HINCRBY', fence, 'writes', #answer > 2 and 1 or 0)
answer[2] = call('HINCRBY', fence, 'messages', messages)
return answer
